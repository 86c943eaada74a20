"""What the errors of replacing PgBouncer's configuration files say."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles import transaction
from dbswitch.errors import RollbackFailedError
from dbswitch.pools.config_files import ConfigChange, ConfigFiles

if TYPE_CHECKING:
    from pathlib import Path


def test_a_rollback_that_fails_speaks_of_pgbouncers_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pgbouncer.ini"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(transaction.atomic_replace, "replace", fail)
    monkeypatch.setattr(transaction, "_put_back", fail)
    files = ConfigFiles((ConfigChange(str(path), b"old", b"new", (), "", ""),))
    with pytest.raises(RollbackFailedError) as caught:
        files.write(tmp_path / "pool-journal")
    said = " ".join((caught.value.what, *caught.value.facts, caught.value.why, caught.value.fix))
    assert "PgBouncer" in caught.value.what
    assert "env file" not in said
