"""The configuration files of a pool, here and on other machines: read, and changed together, all or none."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec import Struct

from dbswitch.durable import read_regular
from dbswitch.envfiles import transaction
from dbswitch.envfiles.transaction import FileChange
from dbswitch.errors import ConfigError, EnvFileConflictError, EnvFileError, RollbackFailedError
from dbswitch.pools import pgbouncer_ini, remote_files
from dbswitch.state_folder import POOL_RECORD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbswitch.database.url import DatabaseUrl
    from dbswitch.pools.pgbouncer_ini import Entry
    from dbswitch.pools.pooler import Pooler

# Bytes that are not UTF-8 survive reading and writing.
_ENCODING = ("utf-8", "surrogateescape")


class ConfigChange(Struct, frozen=True):
    """One configuration file and how it changes; `old` and `new` hold passwords."""

    path: str
    old: bytes
    new: bytes
    run: tuple[str, ...] = ()  # leads to another machine
    keeps: str = ""  # its mode and owner there
    staged: str = ""  # where the new file is prepared

    @property
    def name(self) -> str:
        """The file as messages call it."""
        return remote_files.shown(self.run, self.path) if self.run else self.path

    def discard(self) -> None:
        """Remove what was staged. Raises ConfigError."""
        remote_files.discard(self.run, self.staged)

    def turn(self, old: bytes, new: bytes) -> bool:
        """Make sure that a far file whose content is `old` gets `new`; False if it has neither. Raises ConfigError."""
        self.discard()
        found = remote_files.read(self.run, self.path)
        if found == old != new:
            again = self.staged + remote_files.SECOND  # a delayed `mv` of the first one finds nothing
            remote_files.stage(self.run, self.path, again, new, self.keeps)
            remote_files.place(self.run, self.path, again, old)
        return found in {old, new}


class PoolRecord(Struct, frozen=True):
    """A switch of a pool that has begun and not ended."""

    FILE: ClassVar = POOL_RECORD
    pool: str
    target: str
    table: str  # the digest of its table in dbswitch.toml
    # With their content, which has passwords, from the moment in which files on other machines are changed.
    files: tuple[ConfigChange, ...]


class ConfigFiles(Struct, frozen=True):
    """The changed configuration files of a pool."""

    changes: tuple[ConfigChange, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, for display."""
        return tuple(one.name for one in self.changes)

    @property
    def far(self) -> tuple[ConfigChange, ...]:
        """Those on other machines."""
        return tuple(one for one in self.changes if one.run)

    @property
    def near(self) -> tuple[FileChange, ...]:
        """Those on this machine."""
        return tuple(FileChange(Path(one.path), one.old, one.new) for one in self.changes if not one.run)

    def stage(self) -> None:
        """Prepare the far files, so that the pause does not wait for it. Raises ConfigError."""
        try:
            for one in self.far:
                remote_files.stage(one.run, one.path, one.staged, one.new, one.keeps)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was staged, where that is possible."""
        for one in self.far:
            with suppress(ConfigError):
                one.discard()

    def write(self, journal: Path) -> None:
        """Replace all files. Raises RollbackFailedError (the journal is kept), or ConfigError: none was changed.

        If there are far ones, one may have been, and :meth:`put_back` is to be called.
        """
        with _errors():
            for one in self.far:
                remote_files.place(one.run, one.path, one.staged, one.old)
            transaction.apply(self.near, journal)

    def put_back(self, journal: Path) -> tuple[str, ...]:
        """Put back the previous files; return those that another program has changed since, which are left.

        Raises ConfigError, or RollbackFailedError (the journal is kept).
        """
        with _errors():
            left = [one.name for one in self.far if not one.turn(one.new, one.old)]
            return (*left, *map(str, transaction.roll_back(self.near, journal)))

    def finish(self, journal: Path) -> str:
        """Finish what a killed run began; return what was done. The files have no content if it had changed no far one.

        Raises ConfigError: a file cannot be written; the journal is kept.
        """
        with _errors():
            done = transaction.recover(journal, only=[one.path for one in self.near])
            # Another program's content is left, as for far files.
            transaction.roll_back(transaction.reverse([one for one in self.near if one.new]), journal)
            for one in self.far:
                one.turn(one.old, one.new)
        far = any(one.new for one in self.far)
        return f"the change of {', '.join(self.names)} was finished" if done or far else ""


def read_entry(pooler: Pooler) -> Entry:
    """Return the entry of the pooler's database. Raises ConfigError: a file or the entry cannot be read."""
    return pgbouncer_ini.find(pooler.database, pooler.config, partial(_read, pooler))


def changed(entries: Sequence[tuple[Pooler, Entry]], url: DatabaseUrl, run_id: str) -> ConfigFiles:
    """Return the files with every entry leading to `url`; two poolers may share one. Raises ConfigError: one cannot be replaced."""
    changes = []
    for pooler, entry in entries:
        path, keeps = str(_absolute(entry.path, pooler)), ""
        if pooler.run:
            path, keeps = remote_files.examine(pooler.run, path)
        old, new = (text.encode(*_ENCODING) for text in (entry.text, pgbouncer_ini.edited(entry, url)))
        if old != new:
            staged = f"{path}.dbswitch-{run_id}" if pooler.run else ""
            changes.append(ConfigChange(path, old, new, pooler.run, keeps, staged))
    files = ConfigFiles(tuple(dict.fromkeys(changes)))
    with _errors():
        transaction.precheck(files.near)
    return files


def _absolute(path: str, pooler: Pooler) -> Path:
    # PgBouncer looks from its working directory, which it does not report; its state is compared with what is found here.
    return Path(pooler.config).parent / path


def _read(pooler: Pooler, name: str) -> str:
    path = _absolute(name, pooler)
    try:
        content = remote_files.read(pooler.run, str(path)) if pooler.run else read_regular(path)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}",
            why="the pool is switched by changing its line in this file",
            fix="correct `config` or `%include`, or run dbswitch as a user who may read it, or put `sudo -n` into `run`",
        ) from None
    if b"\0" in content:
        raise ConfigError(f"{path} is not a text file", fix="correct `config` of the pool")
    return content.decode(*_ENCODING)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except EnvFileError as error:
        conflict = isinstance(error, EnvFileConflictError)
        what = "was changed by another program during the switch" if conflict else "could not be replaced"
        raise ConfigError(
            f"the configuration of PgBouncer {what}",
            facts=error.facts if conflict and error.facts else (error.what, *error.facts),
            why="every configuration file is as it was",
            fix=error.fix,
        ) from error
    except RollbackFailedError as error:
        raise RollbackFailedError(
            "the configuration of PgBouncer could be neither changed nor put back",
            facts=error.facts,
            why="some of its files may name one database and some another",
            fix=error.fix,
        ) from error
