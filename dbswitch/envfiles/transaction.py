"""Change several env files as one: all of them or none, whatever happens in between.

The order: checks, journal (its folder flushed: the commit point), every new file written and flushed beside the real
one, the files exchanged in the order given, temporary files removed, folders flushed, journal removed, its folder flushed.
A run that lives puts everything back when something fails; a run that was killed is finished by :func:`recover`.

`docs/explanation/transaction.md` has the reasons.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch import durable
from dbswitch.envfiles import journal as journals, swapping
from dbswitch.envfiles.journal import Entry, Journal, digest
from dbswitch.envfiles.preflight import checked, conflict
from dbswitch.envfiles.shield import signals_held
from dbswitch.envfiles.swapping import ChangedError, NotAFileError, read_file
from dbswitch.errors import EnvFileConflictError, EnvFileError, RollbackFailedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_MARK = ".dbswitch-"
_ID = re.compile(r"[0-9a-f]{8}")
_AS_IT_WAS = "Every env file is as it was."


@dataclass(frozen=True, slots=True, repr=False)
class FileChange:
    """One file of a transaction: from `old` to `new`. `old` None: it is created; `new` None: it is removed."""

    path: Path
    old: bytes | None
    new: bytes | None


class Recovery(Struct, frozen=True):
    """What :func:`recover` did: files now in their new state, and files it left alone since someone else changed them."""

    completed: tuple[Path, ...]
    conflicts: tuple[Path, ...]
    text: str


def apply(changes: Sequence[FileChange], journal: Path) -> None:
    """Carry out all changes, in the order given, or none.

    A file that already has its new content is left alone. Signal handlers of Python's run after the end, so an exception
    from one of them finds everything done.

    Raises:
        EnvFileConflictError: a file is neither in its old nor in its new state. It is left alone, the others are as they
            were.
        EnvFileError: a file or the journal cannot be written. Every file is as it was.
        RollbackFailedError: putting back failed as well; the journal is kept, and the next run finishes the change.
    """
    recover(journal)  # a journal of an earlier run must never be overwritten
    entries = checked([(str(c.path), c.old, c.new) for c in changes])
    if not entries:
        return
    with signals_held():
        _apply(Journal(os.urandom(4).hex(), entries), journal)


def precheck(changes: Sequence[FileChange]) -> None:
    """Look at every file without writing: what :func:`apply` would refuse now is refused before a server is stopped.

    Raises:
        EnvFileConflictError, EnvFileError: as :func:`apply`.
    """
    checked([(str(c.path), c.old, c.new) for c in changes])


def reverse(changes: Iterable[FileChange]) -> tuple[FileChange, ...]:
    """Return the changes that take `changes` back, in the same order: the file that decides is still the last."""
    return tuple(FileChange(c.path, c.new, c.old) for c in changes)


def roll_back(changes: Sequence[FileChange], journal: Path) -> tuple[Path, ...]:
    """Put back the files of `changes`, which were applied, and return those left alone since someone else changed them.

    Other than in :func:`apply`, one such file does not keep the rest from going back.

    Raises:
        EnvFileError: a file or the journal cannot be written.
        RollbackFailedError: as :func:`apply`.
    """
    left_alone: list[Path] = []
    remaining = list(reverse(changes))
    while True:
        try:
            apply(remaining, journal)
        except EnvFileConflictError:
            foreign = [c.path for c in remaining if _read(c.path) not in {c.old, c.new}]
            if not foreign:  # it was changed and changed back; whoever does that does not stay
                raise
            left_alone += foreign
            remaining = [c for c in remaining if c.path not in foreign]
        else:
            return tuple(left_alone)


def recover(journal: Path, *, only: Collection[Path] | None = None) -> Recovery | None:
    """Finish the transaction of a run that was killed; None where there is none. Safe to be killed itself.

    The caller holds the lock of the switch. `only` are the files that a journal may name at all: one that came with a
    cloned or copied project must not be able to write anything else.

    Raises:
        EnvFileError: a file cannot be written, or is none of `only`; the journal is kept and the next run tries again.
    """
    with signals_held():
        try:
            if not journals.has_remains(journal):
                return None
            committed = journals.read(journal)
            if committed is None:  # killed before the commit point
                journals.retire(journal)
                return None
            if only is not None:
                _require_own(committed, only, journal)
            return _recover(committed, journal)
        except OSError as error:
            raise EnvFileError(
                "An interrupted change of the env files could not be finished.",
                facts=[_describe(error)],
                why="Until it is, some env files may name one database and some another.",
                fix="Make the named file writable, then run any dbswitch command again.",
            ) from error


def _require_own(committed: Journal, only: Collection[Path], journal: Path) -> None:
    own = {str(path) for path in only}
    foreign = [e.path for e in committed.entries if e.path not in own or e.real != os.path.realpath(e.path)]
    if foreign or _ID.fullmatch(committed.id) is None:
        raise EnvFileError(
            "The journal of an interrupted change is not this project's.",
            facts=[f"it names {path}" for path in foreign] or [str(journal)],
            why="It came from elsewhere, or the project was moved; finishing it would write files that are not its own.",
            fix=f"Compare the env files with your targets, then remove {shlex.quote(str(journal))}",
        )


def staged_name(transaction: str, real: str) -> str:
    """Return the name of a file's temporary twin: beside it, and covered by the usual `.env*` ignore rule."""
    return f"{real}{_MARK}{transaction}"


def _apply(transaction: Journal, journal: Path) -> None:
    entries = transaction.entries
    try:
        journals.commit(journal, transaction)
        for entry in entries:
            if entry.new is not None:
                like = entry.real if entry.old is not None else None
                swapping.stage(_staged(transaction, entry), entry.new, entry, like=like)
        for entry in entries:
            swapping.put(_staged(transaction, entry), entry.real, entry.old, entry.new)
    except BaseException as error:
        foreign = _undo(transaction, journal)
        _raise_for(error, entries, foreign)
        raise
    # All files are new, and with the journal on the disk no power cut changes that. If flushing and cleaning fail, the
    # journal stays, and the next run does both.
    for _ in range(2):
        with contextlib.suppress(OSError):
            _clean(transaction)
            journals.retire(journal)
            return


def _undo(transaction: Journal, journal: Path) -> dict[str, bytes | None]:
    """Put every file back. Return, by path, what was found in those that someone else changed: they are left alone."""
    foreign: dict[str, bytes | None] = {}
    try:
        for entry in reversed(transaction.entries):
            staged = _staged(transaction, entry)
            try:
                if read_file(entry.real) != entry.old:
                    swapping.settle(staged)
                    swapping.touch(staged)
                    swapping.put(staged, entry.real, entry.new, entry.old)
            except ChangedError as changed:
                foreign[entry.path] = changed.found
            except NotAFileError:
                foreign[entry.path] = None
        _clean(transaction)
        journals.retire(journal)
    except OSError as error:
        raise RollbackFailedError(
            "The env files could neither be changed nor be put back.",
            facts=[_describe(error), f"The journal is kept: {journal}"],
            why="Some env files may name one database and some another.",
            fix="Repair what the system says, then run any dbswitch command: it finishes the change first.",
        ) from error
    return foreign


def _raise_for(error: BaseException, entries: Iterable[Entry], foreign: dict[str, bytes | None]) -> None:
    """Raise the error people are told, or return for one that is not about files."""
    if foreign or isinstance(error, ChangedError):
        facts = [
            f"{e.name}: expected {digest(e.old)}, found {digest(foreign[e.path])}"
            for e in entries
            if e.path in foreign
        ]
        raise conflict(facts) from error
    if isinstance(error, OSError):
        raise EnvFileError(
            "The env files could not be written.",
            facts=[_describe(error)],
            why=_AS_IT_WAS,
            fix="Repair what the system says (space, permissions), then switch again.",
        ) from error


def _recover(transaction: Journal, journal: Path) -> Recovery:
    completed: list[Path] = []
    conflicts: list[Path] = []
    facts: list[str] = []
    for entry in transaction.entries:
        try:
            _roll_forward(transaction, entry)
            completed.append(Path(entry.path))
        except ChangedError as changed:
            conflicts.append(Path(entry.path))
            facts.append(
                f"{entry.name} has been changed by someone else and was left alone "
                f"(old {digest(entry.old)}, new {digest(entry.new)}, found {digest(changed.found)})"
            )
        except NotAFileError:
            conflicts.append(Path(entry.path))
            facts.append(f"{entry.name} is no regular file any more and was left alone")
    _clean(transaction)
    journals.retire(journal)
    names = ", ".join(path.name for path in completed) or "nothing was left to do"
    text = f"An interrupted change of the env files was finished: {names}"
    return Recovery(tuple(completed), tuple(conflicts), "; ".join([text, *facts]))


def _roll_forward(transaction: Journal, entry: Entry) -> None:
    staged = _staged(transaction, entry)
    current = read_file(entry.real)
    if current == entry.new:
        # Killed between an exchange and the look at what it displaced: that may be somebody's save.
        for name in (staged, swapping.aside(staged)):
            displaced = _read_own(name)
            if displaced is not None and displaced not in {entry.old, entry.new}:
                swapping.give_back(name, entry.real, entry.new, displaced)
        return
    if current != entry.old:
        raise ChangedError(current)
    swapping.discard(staged)
    swapping.discard(swapping.aside(staged))
    if entry.new is not None:
        swapping.stage(staged, entry.new, entry, like=entry.real if entry.old is not None else None)
    swapping.put(staged, entry.real, entry.old, entry.new)


def _read_own(name: str) -> bytes | None:
    try:
        return read_file(name)
    except NotAFileError:
        return None


def _clean(transaction: Journal) -> None:
    """Remove the temporary files and flush the folders: only then may the journal go."""
    for entry in transaction.entries:
        staged = _staged(transaction, entry)
        swapping.discard(staged)
        swapping.discard(swapping.aside(staged))
    for folder in dict.fromkeys(os.path.dirname(entry.real) for entry in transaction.entries):  # noqa: PTH120 - str in, str out
        durable.fsync_dir(Path(folder))


def _read(path: Path) -> bytes | None:
    try:
        return read_file(os.path.realpath(path))
    except OSError as error:
        raise EnvFileError(f"{path.name} cannot be read: {error.strerror}.") from error


def _staged(transaction: Journal, entry: Entry) -> str:
    return staged_name(transaction.id, entry.real)


def _describe(error: OSError) -> str:
    text = error.strerror or type(error).__name__
    if not isinstance(error.filename, (str, bytes)):
        return text
    name = os.path.basename(os.fsdecode(error.filename))  # noqa: PTH119 - str in, str out
    return f"{name.partition(_MARK)[0]}: {text}"
