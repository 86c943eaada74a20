"""What a command line would do to a database, looked at through its wrappers. Pure.

Looked through: npx, pnpm exec, yarn, bun, `node_modules/.bin`, `sh -c`, `env`, and the scripts of package.json. A wrapper that is
not understood is reported and never guessed.
"""

from __future__ import annotations

import fnmatch
import re
import shlex
from typing import TYPE_CHECKING, Final

from dbswitch.project.destructive_commands import HARMLESS, PROGRAMS, Judgement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ASSIGNMENT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_RUN_ALL: Final = frozenset({"npm-run-all", "npm-run-all2", "run-s", "run-p", "concurrently"})
# Programs that run the rest of their words, and their flags that take a value.
_PREFIXES: Final = {
    "env": ("-u", "-C", "--unset", "--chdir"), "cross-env": (), "cross-env-shell": (), "dotenv": ("-e", "-v", "-p", "-c"),
    "env-cmd": ("-f", "-e", "--file", "--environments"), "nice": ("-n",), "nohup": (), "time": (), "exec": (), "command": (),
    "sudo": ("-u", "-g"), "timeout": ("-k", "-s"), "xargs": ("-n", "-I", "-P", "-L"), "then": (), "do": (), "else": (), "if": (),
    "elif": (), "while": (), "until": (), "!": (), "{": (),
}  # fmt: skip
_NPX_VALUES: Final = frozenset({"-p", "--package", "-w", "--workspace", "--prefix", "--cwd", "-C", "--dir"})
_ELSEWHERE: Final = frozenset({"-w", "--workspace", "--prefix", "--cwd", "-C", "--dir", "--filter", "-F"})
_SCRIPT_WORDS: Final = frozenset({"test", "t", "start", "stop", "restart"})
# Their own commands, as far as a script or a program is not more likely meant.
_MANAGERS: Final = {
    "npm": "",
    "pnpm": "add audit config fetch i import init install list ls outdated prune publish rebuild remove rm store update why",
    "yarn": "add audit cache config info init install link list outdated pack publish remove up upgrade why workspaces",
    "bun": "add build create i init install link outdated pm remove test update upgrade",
}
# Their input is judged where it matters: what is piped into psql is reported there.
_INTERNAL: Final = re.compile(
    r"\[|cat|cd|done|echo|esac|exit|export|false|fi|for|hash|ls|mkdir|pg_dump|pg_isready|printf|pushd|pwd|read|set|sleep|test"
    r"|true|unset|wait|\}"
)
_DEPTH: Final = 12


def judge(argv: Sequence[str], scripts: Mapping[str, str]) -> Judgement:
    """Return what a command would do.

    Args:
        argv: the command and its arguments.
        scripts: the scripts of the package.json in the folder where it runs.
    """
    return _Guard(scripts).command(list(argv), 0)


def judge_line(line: str, scripts: Mapping[str, str]) -> Judgement:
    """Return what a line of shell would do, such as a script of package.json."""
    return _Guard(scripts).line(line, 0)


def _unseen(text: str) -> Judgement:
    return Judgement(unseen=(text,))


class _Guard:
    def __init__(self, scripts: Mapping[str, str]) -> None:
        self._scripts = scripts

    def command(self, argv: list[str], depth: int) -> Judgement:
        while argv and _ASSIGNMENT.fullmatch(argv[0]):
            argv = argv[1:]
        if not argv:
            return HARMLESS
        word, rest = argv[0], argv[1:]
        name = re.split(r"[/\\]", word)[-1]
        name = re.sub(r"(?<=.)@[^/]*$|\.(?:cmd|exe)$", "", name)
        if depth > _DEPTH:
            return _unseen(f"{name}: too many wrappers")
        if name in PROGRAMS:
            return PROGRAMS[name](rest)
        if name in _SHELLS:
            return self._shell(name, rest, depth)
        if name in _PREFIXES:
            return self._prefixed(name, rest, depth)
        if name in {"npx", "bunx", "pnpx"}:
            return self._package_runner(rest, depth)
        if name in _MANAGERS:
            return self._manager(name, rest, depth)
        if name in _RUN_ALL:
            return self._all_of(rest, depth)
        if name == "eval":
            return self.line(" ".join(rest), depth + 1)
        if name == "dotenvx":
            return self.command(_behind_dashes(rest) or rest[1:], depth + 1)
        if name == "dbswitch" and rest[:1] in (["guard"], ["exec"]):
            return self.command(_behind_dashes(rest), depth + 1)
        if name == "node" and (
            found := [at for at, one in enumerate(rest) if "prisma/build/index.js" in one]
        ):
            return PROGRAMS["prisma"](rest[found[0] + 1 :])
        if _INTERNAL.fullmatch(name) or name == "dbswitch":
            return HARMLESS
        return _unseen(f"{name} is not known: what it does to the database cannot be seen")

    def line(self, text: str, depth: int) -> Judgement:
        lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
        found, guard, skip = HARMLESS, self, False
        words: list[str] = []
        try:
            for part in [*lexer, ";"]:
                if skip:  # the file of a redirection
                    skip = False
                elif set(part) <= set("<>") or part in {">&", "<&", ">|", "&>"}:
                    skip = True
                elif set(part) <= set("();|&\n"):
                    found |= guard.command(words, depth + 1)
                    if words[:1] in (["cd"], ["pushd"]):
                        guard = _Guard({})  # what follows runs in another folder, with other scripts
                    words = []
                elif part != "$":  # else a command substitution, whose words follow in parentheses
                    if "$(" in part or "`" in part or (not words and part.startswith("$")):
                        found |= _unseen(f"the shell computes `{part.split()[0]}`, which is not examined")
                    words.append(part)
        except ValueError:
            return found | _unseen("a quote of the shell command is not closed")
        return found

    def _shell(self, name: str, rest: list[str], depth: int) -> Judgement:
        for at, word in enumerate(rest):
            if not word.startswith("-"):
                return _unseen(f"{name} runs the file {word}, which is not examined")
            if "c" in word.lstrip("-") and not word.startswith("--"):
                return self.line(rest[at + 1], depth + 1) if rest[at + 1 :] else HARMLESS
        return _unseen(f"{name} reads commands, which are not examined")

    def _prefixed(self, name: str, rest: list[str], depth: int) -> Judgement:
        values = _PREFIXES[name]
        while rest and rest[0].startswith("-") and rest[0] != "--":
            rest = rest[2:] if rest[0] in values else rest[1:]
        rest = rest[1:] if rest[:1] == ["--"] else rest
        if name == "timeout":
            rest = rest[1:]
        if name == "cross-env-shell" or (name == "cross-env" and len(rest) == 1 and " " in rest[0]):
            return self.line(" ".join(rest), depth + 1)
        return self.command(rest, depth + 1)

    def _package_runner(self, rest: list[str], depth: int) -> Judgement:
        while rest and rest[0].startswith("-"):
            if rest[0] in {"-c", "--call"} and rest[1:]:
                return self.line(rest[1], depth + 1)
            if rest[0] == "--":
                return self.command(rest[1:], depth + 1)
            rest = rest[2:] if rest[0] in _NPX_VALUES else rest[1:]
        return self.command(rest, depth + 1)

    def _manager(self, name: str, rest: list[str], depth: int) -> Judgement:
        here = self
        while rest and rest[0].startswith("-"):
            if rest[0].partition("=")[0] in _ELSEWHERE:
                here = _Guard({})  # the scripts of another package
            takes = rest[0] in _NPX_VALUES | _ELSEWHERE
            rest = rest[2:] if takes else rest[1:]
        if not rest:
            return HARMLESS
        verb, words = rest[0], rest[1:]
        if verb in {"exec", "x", "dlx"}:
            return here._package_runner(words, depth + 1)
        if verb in {"run", "run-script", "rum", "urn"}:
            words = [word for at, word in enumerate(words) if not word.startswith("-") or any(
                not one.startswith("-") for one in words[:at]
            )]  # fmt: skip
            if not words:
                return HARMLESS
            return here._script(name, words[0], words[1:], depth)
        if name == "npm":
            known = {"t": "test"}.get(verb, verb)
            return here._script(name, known, words, depth) if verb in _SCRIPT_WORDS else HARMLESS
        if verb in _MANAGERS[name].split() and verb not in self._scripts:
            return HARMLESS
        return here._script(name, verb, words, depth)

    def _script(self, manager: str, name: str, words: list[str], depth: int) -> Judgement:
        text = self._scripts.get(name)
        if text is None:
            if manager == "npm":
                return _unseen(f"`npm run {name}` is not a script of this package.json")
            return self.command([name, *words], depth + 1)  # a program of node_modules/.bin
        if words[:1] == ["--"]:
            words = words[1:]
        lines = (
            self._scripts.get(f"pre{name}"),
            f"{text} {shlex.join(words)}",
            self._scripts.get(f"post{name}"),
        )
        found = HARMLESS
        for line in lines:
            found |= self.line(line, depth + 1) if line is not None else HARMLESS
        return found

    def _all_of(self, rest: list[str], depth: int) -> Judgement:
        found = HARMLESS
        for word in (one for one in rest if not one.startswith("-")):
            names = fnmatch.filter(self._scripts, word.removeprefix("npm:").replace(":**", ":*"))
            for name in names:
                found |= self._script("npm", name, [], depth + 1)
            if not names:
                found |= self.line(word, depth + 1)
        return found


def _behind_dashes(words: list[str]) -> list[str]:
    return words[words.index("--") + 1 :] if "--" in words else []
