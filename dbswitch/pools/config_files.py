"""The configuration files of a pool, here and, behind a prefix such as `ssh host`, on other machines: changed all or none."""

from __future__ import annotations

import posixpath
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar, Final

from msgspec import Struct

from dbswitch import redaction
from dbswitch.database.url import DatabaseUrl
from dbswitch.durable import read_regular
from dbswitch.envfiles import transaction
from dbswitch.envfiles.transaction import FileChange
from dbswitch.errors import ConfigError, EnvFileConflictError, EnvFileError, RollbackFailedError
from dbswitch.pools import pgbouncer_ini
from dbswitch.pools.pgbouncer_ini import Entry
from dbswitch.pools.pooler import Pooler
from dbswitch.state_folder import POOL_RECORD

LIMIT: Final = 10.0  # seconds; each command on another machine
SECOND: Final = "-2"  # ends the name of a file that is staged once more
_PLAIN: Final = re.compile(r"(/[A-Za-z0-9_.+@%,:=-]+)+")
_STATUS: Final = re.compile(rb"8[0-9a-f]{3}:\d+:\d+:1\n?")  # a regular file without a second link
# Bytes that are not UTF-8 survive reading and writing.
_ENCODING = ("utf-8", "surrogateescape")


class RemoteFile(Struct, frozen=True):
    """A file on another machine, behind a prefix such as `ssh host`. Every method raises ConfigError."""

    # ssh gives its arguments to a shell and `kubectl exec` does not, so only arguments that mean the same to both are used.
    run: tuple[str, ...]
    path: str

    @property
    def name(self) -> str:
        """The file as messages and records call it."""
        return shlex.join([*self.run, self.path])

    def read(self) -> bytes:
        """Return its content."""
        return self._call("cat", self.path)

    def examine(self) -> tuple[str, str]:
        """Return its real path, and what a new file must keep: mode, owner and group."""
        real = self._call("readlink", "-f", self.path).decode(errors="replace").strip()
        keeps = self._status(real)
        if not _STATUS.fullmatch(keeps):
            facts = (keeps.decode(errors="replace"),)
            raise self._failed(self.path, "is not a regular file with one hard link", facts)
        return real, keeps.decode()

    def stage(self, temporary: str, content: bytes, keeps: str) -> None:
        """Write the file that is going to replace it, and flush it to the disk."""
        self._call("cp", "-p", self.path, temporary)
        if self._call("tee", temporary, content=content) != content:
            what = "cannot be written: the command does not get all of its stdin"
            raise self._failed(self.path, what, ("tee",))
        self._call("sync", temporary)
        if (found := self._status(temporary)) != keeps.encode():
            fact = f"mode, owner, group and links: {keeps.strip()}, the new file: {found.decode().strip()}"
            raise self._failed(self.path, "would have another owner or mode", (fact,))

    def place(self, temporary: str, expected: bytes) -> None:
        """Replace it, if it holds `expected`, by the staged file. Raises EnvFileConflictError: it holds something else."""
        # A save of another program between the comparison and the rename is lost.
        if self.read() != expected:
            raise EnvFileConflictError(f"{self.name} was changed by another program")
        self._call("mv", "-f", temporary, self.path)
        self._call("sync", posixpath.dirname(self.path))

    def discard(self, temporary: str) -> None:
        """Remove a staged file, so that a command of ours that is delayed there cannot put it in place any more."""
        self._call("rm", "-f", temporary + SECOND, temporary)

    def _status(self, path: str) -> bytes:
        return self._call("stat", "-c", "%f:%u:%g:%h", path)

    def _call(self, program: str, *arguments: str, content: bytes = b"") -> bytes:
        path = arguments[-1]
        if not _PLAIN.fullmatch(path):
            raise self._failed(path, "is not an absolute path that every shell reads as it is", ())
        try:
            # A session of its own: Ctrl-C is for dbswitch, and ssh cannot ask for a password on the terminal.
            done = subprocess.run(
                [*self.run, program, *arguments],
                input=content,
                capture_output=True,
                timeout=LIMIT,
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise self._failed(path, f"got no answer within {LIMIT:g} s", (program,)) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
            reason = getattr(error, "strerror", None) or str(error)
            raise self._failed(path, "cannot be reached", (f"{self.run[0]}: {reason}",)) from None
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").splitlines()  # ssh ends them with CR LF
            last = redaction.redact(next((line for line in reversed(lines) if line.strip()), "no message"))
            what = f"cannot be used: `{program}` ended with exit code {done.returncode}"
            raise self._failed(path, what, (last,))
        return done.stdout

    def _failed(self, path: str, what: str, facts: Sequence[str]) -> ConfigError:
        return ConfigError(
            f"{shlex.join([*self.run, path])} {what}",
            facts=facts,
            why="the pool is switched by replacing its line in this file with `cat`, `cp`, `tee`, `sync`, `stat` and `mv`",
            fix=f"correct `run` or `config`; see what `{shlex.join([*self.run, 'cat', path])}` says",
        )


class ConfigChange(Struct, frozen=True):
    """One configuration file and how it changes; `old` and `new` hold passwords."""

    path: str
    old: bytes
    new: bytes
    run: tuple[str, ...] = ()  # leads to another machine
    keeps: str = ""  # its mode and owner there
    staged: str = ""  # where the new file is prepared

    @property
    def remote(self) -> RemoteFile:
        """The file, if it is on another machine."""
        return RemoteFile(self.run, self.path)

    @property
    def name(self) -> str:
        """The file as messages call it."""
        return self.remote.name if self.run else self.path

    def turn(self, old: bytes, new: bytes) -> bool:
        """Make sure that a far file whose content is `old` gets `new`; False if it has neither. Raises ConfigError."""
        self.remote.discard(self.staged)
        found = self.remote.read()
        if found == old != new:
            again = self.staged + SECOND  # a delayed `mv` of the first one finds nothing
            self.remote.stage(again, new, self.keeps)
            self.remote.place(again, old)
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
                one.remote.stage(one.staged, one.new, one.keeps)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was staged, where that is possible."""
        for one in self.far:
            with suppress(ConfigError):
                one.remote.discard(one.staged)

    def write(self, journal: Path) -> None:
        """Replace all files. Raises RollbackFailedError (the journal is kept), or ConfigError: none was changed.

        If there are far ones, one may have been, and :meth:`put_back` is to be called.
        """
        with _errors():
            for one in self.far:
                one.remote.place(one.staged, one.old)
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
            path, keeps = RemoteFile(pooler.run, path).examine()
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
        content = RemoteFile(pooler.run, str(path)).read() if pooler.run else read_regular(path)
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
