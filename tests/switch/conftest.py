"""The switch's tests use the command line's project folders."""

from __future__ import annotations

import pytest

from dbswitch.switch import identity_request
from tests.cli.conftest import folder, served

__all__ = ["folder", "served"]


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an answer leads to the next request, however long a busy machine takes for it."""
    monkeypatch.setattr(identity_request, "OVERLAP", 600.0)
