"""The order of a command line's words: the command first, the flags that stood before it behind it.

Pure. `dbswitch --json prod` and `dbswitch prod --json` are the same request, and a first word that is not a command is the
name of a target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.project.names import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

SWITCH = "switch"  # the command that a target's name stands for
WITH_VALUE = frozenset({"--confirm", "--timeout", "--project", "--run-id"})
ONLY_SWITCH = frozenset(
    {"--dry-run", "--restart", "--hot", "--no-restart", "--detach", "--read-only", "--write"}
)
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
            return [SWITCH, *flags, "--", *rest] if rest else _without_word(flags)
        if word == "-" or not word.startswith("-"):
            rest.pop(0)
            if word in HELP:
                return [*rest, f"--{word}"] if rest and rest[0] in COMMANDS else [f"--{word}"]
            return [word, *flags, *rest] if word in COMMANDS else [SWITCH, *flags, word, *rest]
        flags.append(rest.pop(0))
        if word in WITH_VALUE and rest:
            flags.append(rest.pop(0))
    return _without_word(flags)


def _without_word(flags: list[str]) -> list[str]:
    if "--version" in flags:
        return ["--version"]
    if ABOUT_THE_TOOL.intersection(flags):
        return flags
    return [SWITCH if ONLY_SWITCH.intersection(flags) else "status", *flags]


def wants_json(argv: Sequence[str]) -> bool:
    """Return whether `--json` is asked for, also where the rest of the line cannot be understood."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    return "--json" in own
