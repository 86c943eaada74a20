"""Change several env files as one: all of them or none.

The order: checks, journal (its folder flushed: the commit point), every new file written and flushed in the folder of the
real one, the files replaced in the order given, temporary files removed, folders flushed, journal removed, its folder flushed.
If a step fails, the run puts everything back; if the run is killed, :func:`recover` finishes the change in a later one.

`docs/explanation/transaction.md` has the reasons.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from dbswitch import durable
from dbswitch.durable import NotAFileError
from dbswitch.envfiles import atomic_replace, journal_format as journals
from dbswitch.envfiles.atomic_replace import ChangedError, read_file
from dbswitch.envfiles.journal_format import TEMPORARY, Journal, JournalEntry, digest
from dbswitch.envfiles.preflight import checked, conflict
from dbswitch.errors import EnvFileConflictError, EnvFileError, RollbackFailedError

_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, repr=False)
class FileChange:
    """One file of a transaction: from `old` to `new`. `old` None: it is created; `new` None: it is removed."""

    path: Path
    old: bytes | None
    new: bytes | None


class Recovery(Struct, frozen=True):
    """What :func:`recover` did: the files that are now new, and those it left because another program changed them."""

    completed: tuple[Path, ...]
    conflicts: tuple[Path, ...]
    text: str


def apply(changes: Sequence[FileChange], journal: Path) -> None:
    """Make all changes, in the order given, or none. A file that already has its new content is left untouched.

    The caller holds the lock of the switch and defers signals. Raises EnvFileError (EnvFileConflictError: another program changed a file): every file is as it was, that one excepted.
    Raises RollbackFailedError: putting back failed too; the next run finishes the change from the journal.
    """
    recover(journal)  # a journal of an earlier run must never be overwritten
    entries = checked(changes)
    if entries:
        _apply(Journal(os.urandom(4).hex(), entries), journal)


def precheck(changes: Sequence[FileChange]) -> None:
    """Raise without writing what :func:`apply` would raise now, so that a server is not stopped in vain."""
    checked(changes)


def reverse(changes: Iterable[FileChange]) -> tuple[FileChange, ...]:
    """Return the changes that take `changes` back, in the same order: the deciding file is written last again."""
    return tuple(FileChange(c.path, c.new, c.old) for c in changes)


def roll_back(changes: Sequence[FileChange], journal: Path) -> tuple[Path, ...]:
    """Put back applied changes; return the files that another program changed, which are left. Raises as :func:`apply`."""
    left_alone: list[Path] = []
    remaining = list(reverse(changes))
    while True:
        try:
            apply(remaining, journal)
        except EnvFileConflictError:
            foreign = [c.path for c in remaining if _read(c.path) not in {c.old, c.new}]
            if not foreign:  # it was changed and changed back in between
                raise
            left_alone += foreign
            remaining = [c for c in remaining if c.path not in foreign]
        else:
            return tuple(left_alone)


def recover(journal: Path, *, only: Collection[Path] | None = None) -> Recovery | None:
    """Finish the transaction of a run that was killed; None if there is none. It may be killed itself. Raises EnvFileError.

    The caller holds the lock of the switch. `only` are the files that a journal may name: one that came with a cloned or
    copied project must not make dbswitch write anything else.
    """
    try:
        if not journals.has_remains(journal):
            return None
        content = read_file(str(journal))
        if content is None:  # killed before the commit point
            journals.retire(journal)
            return None
        committed = journals.decode(content)
        if committed is None:  # renamed into place after it was flushed, so it was complete once
            raise EnvFileError(
                "the journal of an interrupted switch cannot be read",
                facts=[f"{journal}: damaged, or written by another version of dbswitch"],
                why="some env files may hold the old values and some the new ones",
                fix=f"compare the env files with the target, remove {journal} and switch again",
            )
        if only is not None:
            _require_own(committed, only, journal)
        return _recover(committed, journal)
    except OSError as error:
        raise EnvFileError(
            "an interrupted change of the env files could not be finished",
            facts=[_describe(error)],
            why="until it is, some env files may name one database and some another",
            fix="make the named file writable, then run any dbswitch command again",
        ) from error


def _require_own(committed: Journal, only: Collection[Path], journal: Path) -> None:
    own = {str(path) for path in only}
    foreign = [e.path for e in committed.entries if e.path not in own or e.real != os.path.realpath(e.path)]
    if foreign or _ID.fullmatch(committed.id) is None:
        raise EnvFileError(
            "the journal of an interrupted change does not belong to this project",
            facts=[f"it names {path}" for path in foreign] or [str(journal)],
            why="the project was moved, or the journal was copied here; finishing it would write those files",
            fix=f"compare the env files with your targets, then remove {shlex.quote(str(journal))}",
        )


def _apply(transaction: Journal, journal: Path) -> None:
    entries = transaction.entries
    try:
        journals.commit(journal, transaction)
        for entry in entries:
            if entry.new is not None:
                _write(transaction.temporary(entry), entry.new, entry)
        for entry in entries:
            atomic_replace.replace(transaction.temporary(entry), entry.real, entry.old, entry.new)
    except BaseException as error:
        foreign = _undo(transaction, journal)
        if foreign or isinstance(error, ChangedError):
            raise conflict([(e, foreign[e.path]) for e in entries if e.path in foreign]) from error
        if isinstance(error, OSError):
            raise EnvFileError(
                "the env files could not be written",
                facts=[_describe(error)],
                why="every env file is as it was",
                fix="fix the reported error (disk space, permissions), then switch again",
            ) from error
        raise
    # All files are new, and with the journal on the disk a power cut does not change that. If flushing and cleaning fail
    # twice, the journal stays, and the next run does both.
    for _ in range(2):
        with contextlib.suppress(OSError):
            _clean(transaction, journal)
            return


def _undo(transaction: Journal, journal: Path) -> dict[str, bytes | None]:
    """Put every file back; return, by path, the content of those that another program changed, which are left."""
    foreign: dict[str, bytes | None] = {}
    try:
        for entry in reversed(transaction.entries):
            try:
                _put_back(transaction, entry)
            except ChangedError as changed:
                foreign[entry.path] = changed.found
            except NotAFileError:
                foreign[entry.path] = None
        _clean(transaction, journal)
    except OSError as error:
        raise RollbackFailedError(
            "the env files could be neither changed nor put back",
            facts=[_describe(error), f"the journal is kept: {journal}"],
            why="some env files may name one database and some another",
            fix="fix the reported error, then run any dbswitch command: it finishes the change first",
        ) from error
    return foreign


def _put_back(transaction: Journal, entry: JournalEntry) -> None:
    if read_file(entry.real) == entry.old:
        return
    temporary = transaction.temporary(entry)
    if entry.old is not None:
        if read_file(temporary) == entry.old:
            os.utime(temporary)  # watchers overlook a rename that brings an old mtime back
        else:  # names cannot be exchanged here, so the old file is gone
            temporary = transaction.second_temporary(entry)
            _write(temporary, entry.old, entry)
    atomic_replace.replace(temporary, entry.real, entry.new, entry.old)


def _recover(transaction: Journal, journal: Path) -> Recovery:
    facts: dict[str, str] = {}
    for entry in transaction.entries:
        try:
            _roll_forward(transaction, entry)
        except ChangedError as changed:
            facts[entry.path] = (
                f"{entry.name} was changed by another program and keeps that change "
                f"(old {digest(entry.old)}, new {digest(entry.new)}, found {digest(changed.found)})"
            )
        except NotAFileError:
            facts[entry.path] = f"{entry.name} is not a regular file any more and was left untouched"
    _clean(transaction, journal)
    completed = tuple(Path(entry.path) for entry in transaction.entries if entry.path not in facts)
    names = ", ".join(path.name for path in completed) or "nothing was left to do"
    text = f"An interrupted change of the env files was finished: {names}"
    return Recovery(completed, tuple(map(Path, facts)), "; ".join([text, *facts.values()]))


def _roll_forward(transaction: Journal, entry: JournalEntry) -> None:
    temporary = transaction.temporary(entry)
    current = read_file(entry.real)
    if current == entry.new:
        # Killed between an exchange and the comparison of what it displaced: that may be another program's save.
        displaced = read_file(temporary)
        if displaced not in {None, entry.old, entry.new}:
            with contextlib.suppress(ChangedError):
                atomic_replace.replace(temporary, entry.real, entry.new, displaced)
            raise ChangedError(read_file(entry.real))
        return
    if current != entry.old:
        raise ChangedError(current)
    atomic_replace.discard(temporary)
    if entry.new is not None:
        _write(temporary, entry.new, entry)
    atomic_replace.replace(temporary, entry.real, entry.old, entry.new)


def _clean(transaction: Journal, journal: Path) -> None:
    """Remove the temporary files, flush the folders, and only then remove the journal. Raises OSError."""
    for entry in transaction.entries:
        atomic_replace.discard(transaction.temporary(entry))
        atomic_replace.discard(transaction.second_temporary(entry))
    for folder in dict.fromkeys(os.path.dirname(entry.real) for entry in transaction.entries):  # noqa: PTH120 - str in, str out
        durable.fsync_dir(Path(folder))
    journals.retire(journal)


def _write(temporary: str, content: bytes, entry: JournalEntry) -> None:
    owner = (entry.uid, entry.gid)
    durable.write_new_file(temporary, content, mode=entry.mode, owner=owner, attributes_of=entry.real)


def _read(path: Path) -> bytes | None:
    try:
        return read_file(os.path.realpath(path))
    except OSError as error:
        raise EnvFileError(f"{path.name} cannot be read: {error.strerror}") from error


def _describe(error: OSError) -> str:
    text = error.strerror or type(error).__name__
    if not isinstance(error.filename, (str, bytes)):
        return text
    name = os.path.basename(os.fsdecode(error.filename))  # noqa: PTH119 - str in, str out
    return f"{name.partition(TEMPORARY)[0]}: {text}"
