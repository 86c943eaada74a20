"""Which database commands destroy data: Prisma's, psql's, dropdb, pg_restore. Pure.

`docs/reference/guard.md` lists what is recognised; a test reads that list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Judgement(Struct, frozen=True):
    """What a command would do.

    Attributes:
        destroys: what it destroys, one line each; empty for a command that is not known to destroy anything.
        unseen: what could not be examined, one line each.
    """

    destroys: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def __or__(self, other: Judgement) -> Judgement:
        """Return what two commands would do together."""
        return Judgement(
            tuple(dict.fromkeys(self.destroys + other.destroys)),
            tuple(dict.fromkeys(self.unseen + other.unseen)),
        )


HARMLESS: Final = Judgement()
_HELP: Final = frozenset({"-h", "--help", "-?", "--version", "-V", "-v"})
_PRISMA_VALUES: Final = frozenset({"--schema", "--config", "--name", "-n", "--url", "--file"})
_LOSS: Final = frozenset({"--force-reset", "--accept-data-loss"})
_STRINGS: Final = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
# The short flags of psql and pg_restore that take a value, which may follow in the same word.
_PSQL_VALUES: Final = "cdfFhLoPpRTUv"
_RESTORE_VALUES: Final = "dfFhIjLnNpPStTU"


def prisma(words: Sequence[str]) -> Judgement:
    """Judge `prisma WORDS`."""
    command = [
        word for word, before in zip(words, ["", *words], strict=False) if before not in _PRISMA_VALUES
    ]
    verbs = tuple(word for word in command if not word.startswith("-"))[:2]
    flags = {word.partition("=")[0] for word in command if word.startswith("-")}
    if flags & _HELP:
        return HARMLESS
    match verbs:
        case ("migrate", "reset"):
            return Judgement(("`prisma migrate reset` drops every table and applies all migrations again",))
        case ("migrate", "dev"):
            return Judgement(
                ("`prisma migrate dev` resets the database when it differs from the migrations",)
            )
        case ("db", "push") if lost := sorted(flags & _LOSS):
            return Judgement((f"`prisma db push {' '.join(lost)}` drops what the schema does not have",))
        case ("db", "execute"):
            return Judgement(("`prisma db execute` runs SQL that is not examined",))
        case ("db", "seed"):
            return Judgement(unseen=("`prisma db seed` runs a program of the project",))
        case _:
            return HARMLESS


def psql(words: Sequence[str]) -> Judgement:
    """Judge `psql WORDS`."""
    statements, files = [], []
    for flag, value in _options(words, _PSQL_VALUES):
        if flag in _HELP or flag in {"-l", "--list"}:
            return HARMLESS
        if flag in {"-c", "--command"}:
            statements.append(value)
        elif flag in {"-f", "--file"}:
            files.append(value)
    found = HARMLESS
    for text in statements:
        found |= sql(text)
    if files or not statements:
        what = f"the file {files[0]}" if files else "what is typed or piped in"
        found |= Judgement(unseen=(f"psql runs {what}, which is not examined",))
    return found


def sql(text: str) -> Judgement:
    """Judge SQL: DROP, TRUNCATE, and DELETE without WHERE destroy data."""
    bare = _STRINGS.sub(" '' ", text).lower()
    destroys = []
    for statement in bare.split(";"):
        if re.search(r"\bdrop\b", statement):
            destroys.append("the SQL has a DROP")
        if re.search(r"^\s*truncate\b|\btruncate\s+table\b", statement):
            destroys.append("the SQL has a TRUNCATE")
        if re.search(r"\bdelete\s+from\b", statement) and not re.search(r"\bwhere\b", statement):
            destroys.append("the SQL has a DELETE without WHERE")
    unseen = ("the SQL runs a file (\\i), which is not examined",) if re.search(r"\\ir?\b", bare) else ()
    return Judgement(tuple(destroys), unseen)


def dropdb(words: Sequence[str]) -> Judgement:
    """Judge `dropdb WORDS`."""
    return HARMLESS if _HELP & set(words) else Judgement(("`dropdb` drops the whole database",))


def pg_restore(words: Sequence[str]) -> Judgement:
    """Judge `pg_restore WORDS`; without a database it only prints."""
    flags = {flag for flag, _ in _options(words, _RESTORE_VALUES)}
    restores = flags & {"-d", "--dbname"} and not flags & {"-l", "--list"}
    if restores and flags & {"-c", "--clean"}:
        return Judgement(("`pg_restore --clean` drops what it restores first",))
    return HARMLESS


PROGRAMS: Final[dict[str, Callable[[Sequence[str]], Judgement]]] = {
    "prisma": prisma,
    "psql": psql,
    "dropdb": dropdb,
    "pg_restore": pg_restore,
}


def _options(words: Sequence[str], with_value: str) -> Iterator[tuple[str, str]]:
    """Yield flag and value as getopt reads them: `-c X`, `-cX`, `-Atc X`, `--command X`, `--command=X`."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            takes = not equals and rest and not rest[0].startswith("-")
            yield flag, value if equals else rest[0] if takes else ""
            continue
        if not word.startswith("-"):
            continue
        for at, letter in enumerate(word[1:], 2):
            if letter in with_value:
                yield f"-{letter}", word[at:] or (rest.pop(0) if rest else "")
                break
            yield f"-{letter}", ""
