"""Who reads which env files, and what a reader gets when several bind the same variable.

Source of the order: Next.js documentation, "Environment Variable Load Order", and measured with Next.js 16: the process
environment beats every file, then `.env.development.local`, `.env.local`, `.env.development`, `.env`; in one file the
last duplicate wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from msgspec import Struct

from dbswitch.envfiles import readers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEV_FILES = (".env.development.local", ".env.local", ".env.development", ".env")
"""The env files a switch may change, highest precedence first."""

AMBIENT = "process environment"

# Variables that every process has, with placeholder values: so that `PATH=$PATH:/more` is not a reference to itself.
_ALWAYS_SET = dict.fromkeys(("PATH", "HOME", "USER", "SHELL", "PWD", "LANG", "TERM", "NODE_OPTIONS"), "set")


class Reader(StrEnum):
    """Something that turns env files into variables."""

    NEXT_DEV = "Next.js dev"
    NEXT_START = "Next.js start"
    PRISMA = "Prisma CLI"
    SHELL = "shell"


class ReaderProfile(Struct, frozen=True):
    """A reader and the files it reads, highest precedence first.

    A variable of the process environment beats every file but those of `overriding` (dotenv's `override: true`).
    """

    reader: Reader
    files: tuple[str, ...]
    overriding: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Effective:
    """What a reader gets for one variable."""

    key: str
    value: str | None = field(repr=False)  # None: it gets none, or only a running shell could tell
    source: str | None  # the file name or "process environment" that decided; None: nothing binds it
    shadowed: tuple[str, ...]  # the other places that bind it, in order of precedence


def _bound(
    profile: ReaderProfile, files: Mapping[str, bytes], ambient: Mapping[str, str]
) -> Mapping[str, Mapping[str, str | None]]:
    """Return what the reader sees in each of its files; None is a value that only a running shell knows."""
    order = [(name, files[name]) for name in profile.files if name in files]
    match profile.reader:
        case Reader.NEXT_DEV | Reader.NEXT_START:
            return readers.next_env_by_file(order, ambient)
        case Reader.PRISMA:
            return {name: readers.dotenv(data) for name, data in order}
        case Reader.SHELL:
            return {name: readers.bash_reading(data).values for name, data in order}
        case _:
            assert_never(profile.reader)


def effective(
    key: str, profile: ReaderProfile, files: Mapping[str, bytes], ambient: Mapping[str, str]
) -> Effective:
    """Return what the reader of `profile` gets for `key` from `files` (name to content) and `ambient`."""
    return _decided(key, profile, _bound(profile, files, ambient), files, ambient)


def all_effective(
    profile: ReaderProfile, files: Mapping[str, bytes], ambient: Mapping[str, str]
) -> tuple[Effective, ...]:
    """Return what the reader gets for every variable that a file or `ambient` binds, by name."""
    bound = _bound(profile, files, ambient)
    keys = sorted({*ambient, *(key for values in bound.values() for key in values)})
    return tuple(_decided(key, profile, bound, files, ambient) for key in keys)


def _decided(
    key: str,
    profile: ReaderProfile,
    bound: Mapping[str, Mapping[str, str | None]],
    files: Mapping[str, bytes],
    ambient: Mapping[str, str],
) -> Effective:
    sources = [name for name in bound if key in bound[name]]
    if key in ambient:
        sources.insert(sum(name in profile.overriding for name in sources), AMBIENT)
    source = sources[0] if sources else None
    if source is None:
        return Effective(key, None, None, ())
    if source != AMBIENT:
        value = bound[source][key]
    elif profile.reader in {Reader.NEXT_DEV, Reader.NEXT_START}:
        # Expanded, where a file binds it as well.
        value = readers.next_env([(name, files[name]) for name in bound], ambient)[key]
    else:
        value = ambient[key]
    return Effective(key, value, source, tuple(sources[1:]))


def disagreements(
    files: Mapping[str, bytes],
    variables: Mapping[str, str],
    absent: frozenset[str],
    profiles: Sequence[ReaderProfile],
) -> tuple[str, ...]:
    """Return one line per reader and variable whose effective value is not the wanted one; () is agreement.

    Of the process environment only the variables of every process are used: a server is started with a clean one. A reader that gets no value at all
    disagrees only if it is Next.js dev; any other reader without a value uses no database, so not a wrong one.
    `next start` also reads files that a switch never changes; where one of those decides, it is not compared.
    """
    found = []
    for profile in profiles:
        for key in (*variables, *sorted(absent - set(variables))):
            got = effective(key, profile, files, _ALWAYS_SET)
            beyond_reach = profile.reader is Reader.NEXT_START and got.source not in DEV_FILES
            if got.value == variables.get(key) or beyond_reach:
                continue
            if got.source is None:
                if profile.reader is Reader.NEXT_DEV:
                    found.append(f"{profile.reader} gets no {key} from any file")
            elif got.value is not None:
                found.append(f"{profile.reader} gets another {key} from {got.source}")
    return tuple(found)


def deciding_file(key: str, profile: ReaderProfile, files: Mapping[str, bytes]) -> str | None:
    """Return the file that the reader of `profile` takes `key` from, or None where none of its files binds it."""
    bound = _bound(profile, files, _ALWAYS_SET)
    return next((name for name in bound if key in bound[name]), None)
