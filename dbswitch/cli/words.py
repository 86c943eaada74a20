"""The first word of a command line: which command it names, with the flags that stood before it moved behind it.

Pure. `dbswitch --json prod` and `dbswitch prod --json` are the same request, and a first word that is not a command is the
name of a target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.project.names import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

TARGET = "TARGET"  # the parser's name for "switch to what follows"; shown as such in the help
WITH_VALUE = frozenset({"--confirm", "--timeout", "--project", "--run-id"})
HELP = ("help", "version")  # words people try; they mean the flags of that name
ABOUT_THE_TOOL = frozenset({"--help", "-h", "--version", "--install-completion", "--show-completion"})


def arrange(argv: Sequence[str]) -> list[str]:
    """Return `argv` with the command's word first; no word at all is `status`."""
    flags: list[str] = []
    rest = list(argv)
    while rest:
        word = rest[0]
        if word == "--":
            rest.pop(0)
            return [TARGET, *flags, "--", *rest] if rest else _without_word(flags)
        if word == "-" or not word.startswith("-"):
            rest.pop(0)
            if word in HELP:
                return [*rest, f"--{word}"] if rest and rest[0] in COMMANDS else [f"--{word}"]
            return [word, *flags, *rest] if word in COMMANDS else [TARGET, *flags, word, *rest]
        flags.append(rest.pop(0))
        if word in WITH_VALUE and rest:
            flags.append(rest.pop(0))
    return _without_word(flags)


def _without_word(flags: list[str]) -> list[str]:
    if "--version" in flags:
        return ["--version"]
    return flags if ABOUT_THE_TOOL.intersection(flags) else ["status", *flags]


def wants_json(argv: Sequence[str]) -> bool:
    """Return whether `--json` is asked for, also where the rest of the line cannot be understood."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in own
