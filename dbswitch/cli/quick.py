"""Read the everyday lines (`dbswitch prod`, `dbswitch`, `restart`, `stop`) without loading typer, which costs 100 ms.

Only what is certain is read here; anything else is None and goes to `cli/app.py`, which alone has errors and help. A
test holds the two together: whatever this reads, the other reads as the same value. Pure.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbswitch.cli.operations import Common, Invocation, Restart, Status, Stop, Switch
from dbswitch.cli.words import TARGET
from dbswitch.switch.plan import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMON = {
    "--json": "json",
    "--quiet": "quiet",
    "-q": "quiet",
    "--verbose": "verbose",
    "-v": "verbose",
}
_SWITCH = {
    "--yes": "yes",
    "-y": "yes",
    "--dry-run": "dry_run",
    "--detach": "detach",
    "--take-port": "take_port",
}
_RESTART = {"take_port", "yes", "timeout"}  # what `restart` shares with a switch
_MODES = {"--restart": Mode.RESTART, "--hot": Mode.HOT, "--no-restart": Mode.NONE}
_VALUES = {"--confirm": "confirm", "--timeout": "timeout", "--run-id": "run_id", "--project": "project"}


def read(line: Sequence[str]) -> Invocation | None:
    """Return what an arranged line asks for, or None where the whole parser has to look at it."""
    if not line or line[0] not in {TARGET, "status", "stop", "restart"}:
        return None
    words: list[str] = []
    common: dict[str, Any] = {}
    own: dict[str, Any] = {}
    rest = list(line[1:])
    while rest:
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if word == "-" or not word.startswith("-"):
            words.append(word)
        elif word in _COMMON:
            common[_COMMON[word]] = True
        elif word in _SWITCH:
            own[_SWITCH[word]] = True
        elif word in _MODES:
            if own.setdefault("mode", _MODES[word]) is not _MODES[word]:
                return None
        elif name in _VALUES:
            if not equals:
                value = rest.pop(0) if rest else ""
            if not value or value.startswith("-"):
                return None
            (common if name == "--project" else own)[_VALUES[name]] = value
        else:
            return None
    return _invocation(line[0], words, own, common)


def _invocation(
    command: str, words: list[str], own: dict[str, Any], common: dict[str, Any]
) -> Invocation | None:
    if "project" in common:
        common["project"] = Path(common["project"])
    if "timeout" in own:
        try:
            own["timeout"] = float(own["timeout"])
        except ValueError:
            return None
        if not 0.1 <= own["timeout"] < float("inf"):
            return None
    if command == TARGET:
        if len(words) != 1 or ("detach" in own and "dry_run" in own):
            return None
        return Invocation(Switch(words[0], **own), Common(**common))
    if words or own.keys() - (_RESTART if command == "restart" else set()):
        return None
    operation = Status() if command == "status" else Stop() if command == "stop" else Restart(**own)
    return Invocation(operation, Common(**common))
