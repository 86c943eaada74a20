"""Which env file gets which binding of a target, and the new bytes of each: the plan of a switch's edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from dbswitch.envfiles import edit_check
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile, deciding_file, disagreements
from dbswitch.errors import EnvFileError, ProtectedError


@dataclass(frozen=True, slots=True)
class FileEdit:
    """The change of one env file."""

    name: str
    old: bytes | None = field(repr=False)  # None: it is created
    new: bytes = field(repr=False)
    keys: tuple[str, ...]  # the variables that change in it


class EditPlan(Struct, frozen=True):
    """All edits, lowest precedence first, so that the deciding file is written last; and the notices for the user."""

    edits: tuple[FileEdit, ...]
    notices: tuple[str, ...]
    gone: frozenset[str] = frozenset()  # the variables that no reader may get from a file afterwards


class _Knowledge(Protocol):
    """What is known about a variable and its value in a file."""

    # A value that is not known is the user's own: it is kept as a comment if a target's value replaces it, and left alone if
    # the target does not set the variable, unless it misleads.
    def known(self, key: str, value: str) -> bool: ...  # some target sets it so, or a switch wrote it

    def lasting(self, key: str, value: str) -> bool: ...  # a target can set it again

    def misleads(self, key: str, value: str) -> bool: ...  # it leads to another database than the target's

    def belongs(self, key: str, value: str) -> bool: ...  # it leads to the target's database

    # The other protected target to which it leads; no reader may get it after the switch.
    def protected_owner(self, key: str, value: str) -> str | None: ...


@dataclass(slots=True)
class _Planning:
    """The files as they will be, while the plan grows."""

    documents: dict[str, Document]
    profiles: Sequence[ReaderProfile]
    tracked: frozenset[str]
    family: frozenset[str]
    protected: bool
    knowledge: _Knowledge
    git_error: str
    git_fix: str
    touched: dict[str, dict[str, None]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    @property
    def tracked_text(self) -> str:
        return f"may be tracked by git ({self.git_error})" if self.git_error else "is tracked by git"

    def bound_in(self, key: str) -> list[str]:
        return [name for name, document in self.documents.items() if key in document.keys]

    def put(self, name: str, key: str, document: Document) -> None:
        before = self.documents.get(name)
        if before is None or before.render() != document.render():
            self.documents[name] = document
            self.touched.setdefault(name, {})[key] = None

    def deciding(self, key: str) -> list[tuple[ReaderProfile, str | None]]:
        """Return each reader with the file that it takes `key` from, as the files are now."""
        files = {name: document.render() for name, document in self.documents.items()}
        return [(one, deciding_file(key, one, files)) for one in self.profiles]

    def bring_back(self, key: str, wanted: Callable[[str], bool] = lambda _value: True) -> None:
        """Undo the parking of `key` wherever it is parked and not bound again, if its value is `wanted`."""
        for name, document in list(self.documents.items()):
            returned = document.unpark(key) if key not in document.keys else None
            if returned is not None and wanted(returned.get(key) or ""):
                self.put(name, key, returned)

    def set(self, key: str, value: str) -> None:
        self.bring_back(key)
        where = self.bound_in(key) or [self.place_for(key)]
        for name in where:
            document = self.documents.get(name) or Document.parse(b"", name)
            edited = document.set(key, value)
            if edited.render() == document.render() and name in self.documents:
                continue
            if name in self.tracked and not self.may_write(name, key):
                continue
            if name not in self.documents:
                self.notices.append(f"{name} is created for {key}: no env file sets it yet")
            if self.is_own(key, document.get(key)):
                edited = document.keep(key, lambda present: self.is_own(key, present)).set(key, value)
                kept = f"{key} had a value that no target has; it is kept there as a comment"
                self.notices.append(f"{name}: {kept}")
            self.put(name, key, edited)
            if trouble := edit_check.shell_notice(edited.readings, key):
                self.notices.append(f"{name}: a shell that sources it may not get {key} ({trouble})")

    def is_own(self, key: str, value: str | None) -> bool:
        """Return whether the user wrote the value, so that no target could restore it."""
        return bool(value) and not self.knowledge.known(key, value or "")

    def may_write(self, name: str, key: str) -> bool:
        """Return whether a file that git tracks has to carry the new value of `key`. Raises ProtectedError."""
        deciding = [one.reader for one, file in self.deciding(key) if file == name]
        if name in self.documents and key in self.documents[name].keys and not deciding:
            return False
        who = " and ".join(deciding) or "every reader"
        if self.protected:
            carries = f"{name} would carry a protected target's {key}"
            untrack = f"move the {key} line from {name} to .env.local, or untrack it: git rm --cached {name}"
            raise ProtectedError(
                f"{name} {'may be' if self.git_error else 'is'} tracked by git, and {who} would take {key} from it",
                facts=(self.git_error, carries) if self.git_error else (f"{carries} into the repository",),
                why="a secret in a tracked file is one commit away from everyone",
                fix=self.git_fix if self.git_error else untrack,
            )
        self.notices.append(
            f"{name} {self.tracked_text} and gets the new {key}, because {who} reads it there"
        )
        return True

    def place_for(self, key: str) -> str:
        """Return the file for a variable that no file binds: one that Next.js and Prisma both read. Raises EnvFileError."""
        needed = [set(p.files) for p in self.profiles if p.reader in {Reader.NEXT_DEV, Reader.PRISMA}]
        shared = [name for name in DEV_FILES if all(name in names for names in needed)]
        if not shared:
            raise EnvFileError(
                f"{key} is not set anywhere, and no env file is read by both Next.js and the Prisma CLI",
                facts=tuple(f"{p.reader} reads {', '.join(p.files) or 'no file'}" for p in self.profiles),
                fix="let prisma.config.ts load .env, or bind the variable yourself in a file that both read",
            )
        # Beside the variables already there; else a file that exists, is private, and is the usual place for secrets.
        usual = (".env.local", ".env", ".env.development.local", ".env.development")

        def rank(name: str) -> tuple[bool, bool, bool, int]:
            document = self.documents.get(name)
            alone = document is None or not self.family & document.keys
            return name in self.tracked, alone, document is None, usual.index(name)

        return min(shared, key=rank)

    def take_out(self, key: str) -> None:
        """Remove `key` from every reader, unless the user set it and it leads no reader to another database."""
        self.bring_back(key, lambda value: self.is_own(key, value) and self.knowledge.belongs(key, value))
        for name in self.bound_in(key):
            document = self.documents[name]
            present = document.get(key)
            if present is None:
                raise EnvFileError(
                    f"{key} is bound in {name} in a way that only some readers see",
                    fix=f'write it as {key}="..." on a line of its own in {name}',
                )
            if self.is_own(key, present):
                if not self.knowledge.misleads(key, present):
                    continue
                gone = f"{key} leads to a different database from the target; it is commented out"
                self.notices.append(f"{name}: {gone}")
            self.put(name, key, self.without(document, key, present))
            if name in self.tracked:
                self.notices.append(f"{name} {self.tracked_text}, and {key} is commented out in it")

    def without(self, document: Document, key: str, present: str) -> Document:
        """Return the document with `key` commented out, or with the user's own value that it had displaced."""
        if self.is_own(key, present):  # an older value must not replace it
            return document.park(key)
        restored = document.restore(key)
        if restored is not None:
            value = restored.get(key) or ""
            if not self.knowledge.misleads(key, value) and self.knowledge.protected_owner(key, value) is None:
                return restored
        if self.knowledge.lasting(key, present):
            return document.park(key)
        # No target can set the value again (a command printed it): it must not stay in the file as a comment.
        return document.set(key, "").park(key)

    def may_stay_outside(self, key: str, files: Mapping[str, bytes]) -> bool:
        """Return whether a file that is read but never edited binds `key` to a user's own harmless value."""
        outside = (Document.parse(data).get(key) for name, data in files.items() if name not in DEV_FILES)
        return any(self.is_own(key, one) and not self.knowledge.misleads(key, one or "") for one in outside)

    def missing(self, key: str) -> None:
        """Report which reader gets `key` from no file at all; a switch does not add bindings for other readers."""
        for profile, file in self.deciding(key):
            # A profile may name files that are read but never edited; those are compared at the end.
            if file is None and profile.files and set(profile.files) <= set(DEV_FILES):
                names = ", ".join(profile.files)
                self.notices.append(f"{profile.reader} gets no {key}: none of its files ({names}) sets it")


def plan_edits(
    *,
    files: Mapping[str, bytes],
    variables: Mapping[str, str],
    absent: frozenset[str],
    profiles: Sequence[ReaderProfile],
    tracked: frozenset[str],
    protected: bool,
    knowledge: _Knowledge,
    git_error: tuple[str, str] = ("", ""),
) -> EditPlan:
    """Return the edits that bring every reader to `variables`, if any. Raises EnvFileError or ProtectedError.

    Of `files` (name to content) only those of `DEV_FILES` are edited, never `.env.test`, `.env.production`, `.env.example`.
    `absent` are variables of other targets that this one lacks: they are commented out until set again, or replaced by the
    user's own value that a target had displaced. `git_error` says why git did not report the `tracked` files, which are then
    all of them, and what helps.
    """
    documents = {name: Document.parse(files[name], name) for name in DEV_FILES if name in files}
    planning = _Planning(documents, profiles, tracked, frozenset(variables), protected, knowledge, *git_error)
    for key, value in variables.items():
        planning.set(key, value)
        if "://" in value:
            planning.missing(key)
    for key in sorted(absent - set(variables)):
        planning.take_out(key)
    gone = frozenset(
        key
        for key in absent - set(variables)
        if not planning.bound_in(key) and not planning.may_stay_outside(key, files)
    )
    after = dict(files) | {name: document.render() for name, document in planning.documents.items()}
    if found := disagreements(after, variables, gone, profiles):
        raise EnvFileError(
            "the readers of this project would not agree after the switch",
            facts=found,
            why="Next.js and the Prisma CLI would be on different databases",
            fix="remove the other binding, or let its reader read one of " + ", ".join(DEV_FILES),
        )
    edits = tuple(
        FileEdit(name, files.get(name), after[name], tuple(planning.touched[name]))
        for name in reversed(DEV_FILES)
        if name in planning.touched and files.get(name) != after[name]
    )
    return EditPlan(edits, tuple(dict.fromkeys(planning.notices)), gone)
