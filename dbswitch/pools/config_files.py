"""The configuration files of PgBouncers on this machine: read, and changed together in one crash-safe transaction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.durable import read_regular
from dbswitch.envfiles import transaction
from dbswitch.envfiles.transaction import FileChange
from dbswitch.errors import ConfigError, EnvFileConflictError, EnvFileError
from dbswitch.pools import pgbouncer_ini

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbswitch.database.url import DatabaseUrl
    from dbswitch.pools.pgbouncer_ini import Entry
    from dbswitch.pools.pooler import Pooler

# Bytes that are not UTF-8 survive reading and writing.
_ENCODING = ("utf-8", "surrogateescape")


class ConfigFiles(Struct, frozen=True):
    """The changed configuration files of a pool; `changes` holds passwords."""

    changes: tuple[FileChange, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The files, for display and for the record of the switch."""
        return tuple(str(change.path) for change in self.changes)


def read_entry(pooler: Pooler) -> Entry:
    """Return the entry of the pooler's database.

    Raises:
        ConfigError: a file cannot be read, or its entry cannot be understood.
    """
    return pgbouncer_ini.find(pooler.database, pooler.config, lambda path: _read(_absolute(path, pooler)))


def changed(entries: Sequence[tuple[Pooler, Entry]], url: DatabaseUrl) -> ConfigFiles:
    """Return the configuration files with every entry leading to `url`; two poolers may share one file.

    Raises:
        ConfigError: an entry cannot be written, or a file cannot be replaced.
    """
    changes = tuple(
        FileChange(
            _absolute(entry.path, pooler),
            entry.text.encode(*_ENCODING),
            pgbouncer_ini.edited(entry, url).encode(*_ENCODING),
        )
        for pooler, entry in entries
    )
    files = ConfigFiles(tuple(one for one in changes if one.old != one.new))
    try:
        transaction.precheck(files.changes)
    except EnvFileError as error:
        raise _told(error) from None
    return files


def write(files: ConfigFiles, journal: Path) -> None:
    """Replace all files or none. Raises ConfigError (none was changed), or RollbackFailedError (the journal is kept)."""
    try:
        transaction.apply(files.changes, journal)
    except EnvFileError as error:
        raise _told(error) from error


def put_back(files: ConfigFiles, journal: Path) -> tuple[str, ...]:
    """Put back the previous files; return those that another program has changed since, which are left.

    Raises:
        ConfigError: a file cannot be written.
        RollbackFailedError: as :func:`write`.
    """
    try:
        return tuple(str(path) for path in transaction.roll_back(files.changes, journal))
    except EnvFileError as error:
        raise _told(error) from error


def finish(names: Sequence[str], journal: Path) -> str:
    """Finish the change of a killed run, which may name only `names`; return what was done, empty if nothing was left.

    Raises:
        ConfigError: a file cannot be written; the journal is kept.
    """
    try:
        done = transaction.recover(journal, only=[Path(name) for name in names])
    except EnvFileError as error:
        raise _told(error) from error
    return "" if done is None else f"the change of {', '.join(names)} was finished"


def _absolute(path: str, pooler: Pooler) -> Path:
    # PgBouncer looks from its working directory, which it does not report; its state is compared with what is found here.
    return Path(pooler.config).parent / path


def _read(path: Path) -> str:
    try:
        text = read_regular(path).decode(*_ENCODING)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            why="the pool is switched by changing its line in this file",
            fix="correct `config` or `%include`, or run dbswitch as a user who may read it",
        ) from None
    if "\0" in text:
        raise ConfigError(f"{path} is not a text file", fix="correct `config` of the pool")
    return text


def _told(error: EnvFileError) -> ConfigError:
    conflict = isinstance(error, EnvFileConflictError)
    what = "was changed by another program during the switch" if conflict else "could not be replaced"
    facts = error.facts if conflict else (error.what, *error.facts)
    return ConfigError(
        f"the configuration of PgBouncer {what}",
        facts=facts,
        why="every configuration file is as it was",
        fix=error.fix,
    )
