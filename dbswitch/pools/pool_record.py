"""The record of a pool that is being switched: lets the next command lift the pause of a killed run."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from dbswitch import durable
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "pool.json"
JOURNAL = "pool-journal"


class PoolRecord(Struct, frozen=True):
    """A switch of a pool that has begun and not ended; no secrets.

    Attributes:
        pool: its name in dbswitch.toml.
        target: where it was going.
        files: the configuration files that it changes.
    """

    pool: str
    target: str
    files: tuple[str, ...]


def write(private_dir: Path, record: PoolRecord) -> None:
    """Write the record; it must be on the disk before the first PAUSE.

    Raises:
        ConfigError: it cannot be written, so a killed run could not be finished.
    """
    path = private_dir / FILE_NAME
    try:
        durable.write_json(path, asdict(record))
    except OSError as error:
        raise ConfigError(
            "the record of the switch cannot be written",
            facts=(f"{path}: {error.strerror}", "nothing was changed"),
            why="without it a later command could not lift the pause of a switch that was killed",
            fix=f"free disk space and make {private_dir} writable for you, then switch again",
        ) from error


def read(private_dir: Path) -> PoolRecord | None:
    """Return the record of a switch that did not end, or None."""
    found = durable.read_json(private_dir / FILE_NAME)
    try:
        return msgspec.convert(found, PoolRecord)
    except msgspec.ValidationError:
        return None


def remove(private_dir: Path) -> None:
    """Remove the record: the switch has ended. If that fails, the next command checks once more."""
    with contextlib.suppress(OSError):
        (private_dir / FILE_NAME).unlink()
        durable.fsync_dir(private_dir)
