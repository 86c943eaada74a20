"""The switch's tests use the command line's project folders."""

from __future__ import annotations

from tests.cli.conftest import folder, served

__all__ = ["folder", "served"]
