"""Lines of an app's source that choose its database independently of the env files, found by a search of the text."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from dbswitch.durable import text_or_empty
from dbswitch.project.generated import source_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_SKIPPED = frozenset({"generated", "test", "tests", "e2e"})  # folders
_CLIENT = re.compile(r"\bnew\s+(?:PrismaClient|PrismaPg|PrismaNeon|Pool)\b")
_STATE_FILE = re.compile(
    r"(?:readFile|readFileSync|existsSync|readJson|readJsonSync|require|import)\b.*?[\"'`](?P<file>(?![\w./@-]*\b(?:package|tsconfig)\.json)[\w./@-]*\.(?:json|txt|ya?ml))[\"'`]"
)
_COMMENT = re.compile(r"^\s*(?://|\*|/\*)")
_MOST = 5  # lines that are reported


def own_choices(root: Path, url_variables: Sequence[str]) -> tuple[str, ...]:
    """Return `file:line reads NAME` for lines that read another variable or file than `url_variables`, which a switch changes."""
    names = "|".join(re.escape(name) for name in url_variables)
    own = "".join(rf"(?!{re.escape(name)}\b)" for name in url_variables)
    further = re.compile(rf"\b{own}(?:{names})_(?:[A-Z0-9_]+|\$\{{|[\"'`]\s*\+)")
    files = (name for name in sorted(source_files(root)) if _SKIPPED.isdisjoint(name.split("/")))
    lines = (line for name in files for line in _in(text_or_empty(root / name), name, further))
    return tuple(itertools.islice(lines, _MOST))


def _in(text: str, name: str, further: re.Pattern[str]) -> Iterator[str]:
    chooses = _CLIENT.search(text) is not None or further.search(text) is not None
    for number, line in enumerate(text.splitlines(), 1):
        if _COMMENT.match(line) is not None:
            continue
        if (read := further.search(line)) is not None:
            variable = re.sub(r"(?:\$\{|[\"'`]\s*\+)$", "…", read[0])
            yield f"{name}:{number} reads {variable}"
        elif chooses and (state := _STATE_FILE.search(line)) is not None:
            yield f"{name}:{number} reads {state['file']}"
