"""The documentation's tests use the command line's project folders."""

from __future__ import annotations

from tests.cli.conftest import folder

__all__ = ["folder"]
