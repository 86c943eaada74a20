"""Who reads which env files, and what a reader gets when several bind the same variable.

Source of the order: Next.js documentation, "Environment Variable Load Order", and measured with Next.js 16.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from msgspec import Struct

from dbswitch.envfiles import readers

DEV_FILES = (".env.development.local", ".env.local", ".env.development", ".env")
"""The env files a switch may change, highest precedence first."""

START_FILES = (".env.production.local", ".env.local", ".env.production", ".env")
"""What Next.js loads outside of development."""

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
    """A reader and the files it reads."""

    reader: Reader
    files: tuple[str, ...]  # highest precedence first
    overriding: tuple[str, ...] = ()  # those that beat the process environment (dotenv's `override: true`)


@dataclass(frozen=True, slots=True)
class Effective:
    """What a reader gets for one variable."""

    key: str
    value: str | None = field(repr=False)  # None: it gets none, or only a running shell could tell
    source: str | None  # the file name or "process environment" that decided; None: nothing binds it
    shadowed: tuple[str, ...]  # the other places that bind it, in order of precedence


def all_effective(
    profile: ReaderProfile, files: Mapping[str, bytes], ambient: Mapping[str, str], only: tuple[str, ...] = ()
) -> dict[str, Effective]:
    """Return what the reader of `profile` gets for every variable that `files` (name to content) or `ambient` bind.

    `only` are the variables that are asked for, where not all are.
    """
    order = [(name, files[name]) for name in profile.files if name in files]
    bound: Mapping[str, Mapping[str, str | None]]
    outside: dict[str, str] = dict(ambient)
    match profile.reader:
        case Reader.NEXT_DEV | Reader.NEXT_START:
            by_file = bound = readers.next_env_by_file(order, ambient)
            for values in by_file.values():
                outside |= values  # expanded, where a file binds it as well
        case Reader.PRISMA:
            bound = {name: readers.dotenv(data) for name, data in order}
        case Reader.SHELL:
            bound = {name: readers.bash_reading(data).values for name, data in order}
        case _:
            assert_never(profile.reader)
    found: dict[str, Effective] = {}
    for key in only or sorted({*ambient, *(key for values in bound.values() for key in values)}):
        sources = [name for name in bound if key in bound[name]]
        if key in ambient:
            sources.insert(sum(name in profile.overriding for name in sources), AMBIENT)
        if sources:
            value = outside[key] if sources[0] == AMBIENT else bound[sources[0]][key]
            found[key] = Effective(key, value, sources[0], tuple(sources[1:]))
    return found


def effective(
    key: str, profile: ReaderProfile, files: Mapping[str, bytes], ambient: Mapping[str, str]
) -> Effective:
    """Return what the reader of `profile` gets for one variable."""
    return all_effective(profile, files, ambient, (key,)).get(key) or Effective(key, None, None, ())


def disagreements(
    files: Mapping[str, bytes],
    variables: Mapping[str, str],
    absent: frozenset[str],
    profiles: Sequence[ReaderProfile],
) -> tuple[str, ...]:
    """Return one line per reader and variable whose effective value is not the wanted one; () is agreement.

    Of the process environment only the variables of every process are used: a server is started with a clean one. A reader
    without a value, other than Next.js dev, uses no database, so not a wrong one. What `next start` reads from files that a
    switch never changes is not compared.
    """
    found = []
    for profile in profiles:
        values = all_effective(profile, files, _ALWAYS_SET)
        for key in (*variables, *sorted(absent - set(variables))):
            got = values.get(key) or Effective(key, None, None, ())
            beyond_reach = profile.reader is Reader.NEXT_START and got.source not in DEV_FILES
            if got.value == variables.get(key) or beyond_reach:
                continue
            if got.source is None:
                if profile.reader is Reader.NEXT_DEV:
                    found.append(f"{profile.reader} gets no {key} from any file")
            elif got.value is not None:
                found.append(f"{profile.reader} gets a different {key} from {got.source}")
    return tuple(found)


def deciding_file(key: str, profile: ReaderProfile, files: Mapping[str, bytes]) -> str | None:
    """Return the file that the reader of `profile` takes `key` from, or None where none of its files binds it."""
    return effective(key, profile, files, _ALWAYS_SET).source
