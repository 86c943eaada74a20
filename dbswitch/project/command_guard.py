"""Which commands destroy data of a database, recognised through their wrappers. Pure."""
# `docs/reference/guard.md` lists what is recognised; a test reads that list. What is not understood is reported and never guessed.

from __future__ import annotations

import fnmatch
import itertools
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.project import sql_examination
from dbswitch.project.sql_examination import DESTROYS, UNSEEN, Finding

if TYPE_CHECKING:
    _Found = Iterator[Finding]


class Judgement(Struct, frozen=True):
    """What a command destroys, and what of it could not be examined; one line each."""

    destroys: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


_PRISMA_HELP: Final = frozenset({"-h", "--help", "-v", "--version"})
_POSTGRES_HELP: Final = frozenset({"-?", "--help", "-V", "--version"})  # -h is the host, psql -v a variable
_PRISMA_VALUES: Final = frozenset({"--schema", "--config", "--name", "-n", "--url", "--file"})
_LOSS: Final = frozenset({"--force-reset", "--accept-data-loss"})
# The flags of psql and pg_restore that take a value. The one of a short flag may follow in the same word.
_PSQL_VALUES: Final = (
    "cdfFhLoPpRTUv --command --dbname --field-separator --file --host --log-file --output --port --pset --record-separator --set"
    " --table-attr --username --variable"
)
_RESTORE_VALUES: Final = (
    "dfFhIjLnNpPStTU --dbname --exclude-schema --file --filter --format --function --host --index --jobs --port --role --schema"
    " --section --superuser --table --trigger --use-list --username"
)
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_RUN_ALL: Final = frozenset({"npm-run-all", "npm-run-all2", "run-s", "run-p", "concurrently"})
# They run the rest of their words, behind flags, assignments and durations of their own.
_WRAPPERS: Final = re.compile(
    r"!|\{|command|cross-env|do|dotenvx?|elif|else|env|env-cmd|exec|if|nice|nohup|sudo|then|time|timeout|until|while|xargs"
)
_OWN_WORD: Final = re.compile(r"-.*|[A-Za-z_][A-Za-z0-9_]*=.*|[0-9.]+[smhd]?", re.DOTALL)
_ELSEWHERE: Final = frozenset({"-w", "--workspace", "--prefix", "--cwd", "-C", "--dir", "--filter", "-F"})
_MANAGERS: Final = frozenset({"npm", "pnpm", "yarn", "bun"})
_RUNNERS: Final = frozenset({"npx", "bunx", "pnpx"})
# The flags of each program that take the next word.
_WITH_VALUE: Final[Mapping[str, Collection[str]]] = dict.fromkeys(_MANAGERS, _ELSEWHERE) | {
    "npx": _ELSEWHERE | {"-p", "--package"},
    "dotenv": {"-e", "-v", "-c", "-p"},
    "dotenvx": {"-f", "--env-file", "-e", "--env", "-fk", "--env-keys-file"},
    "env": {"-u", "--unset", "-C", "--chdir"},
    "env-cmd": {"-f", "--file", "-e", "--environments", "-r", "--rc-file"},
    "exec": {"-a"},
    "nice": {"-n", "--adjustment"},
    "sudo": {
        "-u", "--user", "-g", "--group", "-p", "--prompt", "-C", "--close-from", "-D", "--chdir", "-h", "--host", "-R", "--chroot",
        "-r", "--role", "-t", "--type", "-T", "--command-timeout", "-U", "--other-user",
    },
    "time": {"-f", "--format", "-o", "--output"},
    "timeout": {"-k", "--kill-after", "-s", "--signal"},
    "xargs": {
        "-I", "-P", "--max-procs", "-L", "-n", "--max-args", "-d", "--delimiter", "-E", "-s", "--max-chars", "-a", "--arg-file",
    },
}  # fmt: skip
_SHELL_FILES: Final = frozenset({"--rcfile", "--init-file"})
# Their own commands, as far as a script or a program is not more likely meant.
_OWN_COMMANDS: Final = re.compile(
    r"add|audit|build|cache|config|create|fetch|i|import|info|init|install|link|list|ls|outdated|pack|pm|prune|publish|rebuild"
    r"|remove|rm|store|up|update|upgrade|why|workspaces"
)
# Their input is judged where it matters: what is piped into psql is reported there.
_INTERNAL: Final = re.compile(
    r"\[|cat|cd|dbswitch|done|echo|esac|exit|export|false|fi|for|hash|ls|mkdir|pg_dump|pg_isready|printf|pushd|pwd|read|set"
    r"|sleep|test|true|unset|wait|\}"
)
_DEPTH: Final = 12  # scripts that start one another


def judge(argv: Sequence[str], scripts: Mapping[str, str]) -> Judgement:
    """Return what a command would do; `scripts` are those of the package.json in the folder where it runs."""
    return _judgement(_Guard(scripts).command(list(argv)))


def judge_line(line: str, scripts: Mapping[str, str]) -> Judgement:
    """Return what a line of shell would do, such as a script of package.json."""
    return _judgement(_Guard(scripts).line(line))


def _judgement(found: _Found) -> Judgement:
    told = dict.fromkeys(found)
    return Judgement(tuple(text for bad, text in told if bad), tuple(text for bad, text in told if not bad))


def _prisma(words: Sequence[str]) -> _Found:
    command = [one for one, before in zip(words, ["", *words], strict=False) if before not in _PRISMA_VALUES]
    flags = {word.partition("=")[0] for word in command if word.startswith("-")}
    match [] if flags & _PRISMA_HELP else [word for word in command if not word.startswith("-")][:2]:
        case ["migrate", "reset"]:
            yield DESTROYS, "`prisma migrate reset` drops every table and applies all migrations again"
        case ["migrate", "dev"]:
            yield DESTROYS, "`prisma migrate dev` resets the database when it differs from the migrations"
        case ["db", "push"] if lost := sorted(flags & _LOSS):
            yield DESTROYS, f"`prisma db push {' '.join(lost)}` drops what the schema does not have"
        case ["db", "execute"]:
            yield DESTROYS, "`prisma db execute` runs SQL that is not examined"
        case ["db", "seed"]:
            yield UNSEEN, "`prisma db seed` runs a program of the project"


def _psql(words: Sequence[str]) -> _Found:
    options = list(_options(words, _PSQL_VALUES))
    if any(flag in _POSTGRES_HELP or flag in {"-l", "--list"} for flag, _ in options):
        return
    statements = [value for flag, value in options if flag in {"-c", "--command"}]
    files = [f"the file {value}" for flag, value in options if flag in {"-f", "--file"}]
    for text in statements:
        yield from sql_examination.examine(text)
        for line in sql_examination.shell_lines(text):
            yield from _Guard({}).line(line)
    if not statements or files:
        yield UNSEEN, f"psql runs {[*files, 'what is typed or piped in'][0]}, which is not examined"


def _dropdb(words: Sequence[str]) -> _Found:
    # dropdb reads these as the first word only.
    if not _POSTGRES_HELP & set(words[:1]):
        yield DESTROYS, "`dropdb` drops the whole database"


def _pg_restore(words: Sequence[str]) -> _Found:
    flags = {flag for flag, _ in _options(words, _RESTORE_VALUES)}
    # Without a database it only prints.
    restores = flags & {"-d", "--dbname"} and not flags & {"-l", "--list"}
    if restores and flags & {"-c", "--clean"}:
        yield DESTROYS, "`pg_restore --clean` drops what it restores first"


_PROGRAMS: Final = {"prisma": _prisma, "psql": _psql, "dropdb": _dropdb, "pg_restore": _pg_restore}


def _options(words: Sequence[str], with_value: str) -> Iterator[tuple[str, str]]:
    """Yield flag and value as getopt reads them: `-c X`, `-cX`, `-Atc X`, `--command X`, `--command=X`."""
    rest = list(words)
    short, *long = with_value.split()
    while rest and (word := rest.pop(0)) != "--":
        if word.startswith("--"):
            flag, equals, value = word.partition("=")
            flag = next((name for name in long if name.startswith(flag)), flag)  # may be abbreviated
            yield flag, value if equals or flag not in long or not rest else rest.pop(0)
            continue
        for at, letter in enumerate(word[1:] if word.startswith("-") else "", 2):
            if letter in short:
                yield f"-{letter}", word[at:] or (rest.pop(0) if rest else "")
                break
            yield f"-{letter}", ""


def _inner(words: list[str], program: str = "") -> list[str]:
    """Return the command behind the own words of the wrapper `program`."""
    with_value = _WITH_VALUE.get(program, ())
    while words and _OWN_WORD.fullmatch(words[0]):
        if words[0] == "--":
            return words[1:]
        words = words[2 if words[0] in with_value else 1 :]
    return words


def _without_command(program: str, rest: Sequence[str]) -> _Found:
    """Report a wrapper whose last word is a flag's value, where a command is expected."""
    if rest and not re.match(r"-|[A-Za-z_][A-Za-z0-9_]*=", rest[-1]):
        yield UNSEEN, f"the command that {program} runs cannot be determined"


def _unseen(text: str) -> _Found:
    return iter([(UNSEEN, text)])


class _Guard:
    def __init__(self, scripts: Mapping[str, str], inside: tuple[str, ...] = ()) -> None:
        self._scripts = scripts
        self._inside = inside  # the scripts that lead here

    def command(self, argv: list[str], wrapper: str = "") -> _Found:
        argv = _inner(argv, wrapper)
        if not argv:
            return iter(())
        name, rest = re.split(r"[/\\]", argv[0])[-1], argv[1:]
        name = re.sub(r"(?<=.)@[^/]*$|\.(?:cmd|exe)$", "", name)
        if name in _PROGRAMS:
            return _PROGRAMS[name](rest)
        if name in _SHELLS:
            return self.shell(name, rest)
        if name in _MANAGERS:
            return self.manager(name, rest)
        if name in _RUN_ALL:
            return self.all_of(rest)
        if name in {"eval", "cross-env-shell"}:
            return self.line(" ".join(_inner(rest)))
        if name == "command" and rest[:1] in (["-v"], ["-V"]):  # only says where the program is
            return iter(())
        if name == "dotenvx" or (name == "dbswitch" and rest[:1] in (["guard"], ["exec"])):
            return self.command(rest[rest.index("--") :] if "--" in rest else rest[1:], name)
        if name in _RUNNERS:
            return self.package_runner(rest)
        if _WRAPPERS.fullmatch(name):
            return self.wrapped(name, rest)
        entry = [at for at, one in enumerate(rest) if name == "node" and "prisma/build/index.js" in one]
        if entry:
            return _prisma(rest[entry[0] + 1 :])
        known = _INTERNAL.fullmatch(name)
        return (
            iter(())
            if known
            else _unseen(f"{name} is not known, so its effect on the database cannot be determined")
        )

    def line(self, text: str) -> _Found:
        lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
        guard, skip = self, False
        words: list[str] = []
        try:
            for part in [*lexer, ";"]:
                if skip:  # the file of a redirection
                    skip = False
                elif set(part) <= set("<>") or part in {">&", "<&", ">|", "&>"}:
                    skip = True
                elif set(part) <= set("();|&\n"):
                    yield from guard.command(words)
                    if words[:1] in (["cd"], ["pushd"]):
                        guard = _Guard({})  # what follows runs in another folder, with other scripts
                    words = []
                elif part != "$":  # else a command substitution, whose words follow in parentheses
                    if "$(" in part or "`" in part or (not words and part.startswith("$")):
                        yield UNSEEN, f"the shell computes `{part.split()[0]}`, which is not examined"
                    words.append(part)
        except ValueError:
            yield UNSEEN, "a quote of the shell command is not closed"

    def shell(self, name: str, rest: list[str]) -> _Found:
        words, takes_line = list(rest), False
        while words and words[0].startswith(("-", "+")) and (flags := words.pop(0)) not in {"-", "--"}:
            if flags.startswith("--"):
                values = int(flags in _SHELL_FILES)
            else:
                takes_line |= "c" in flags
                values = flags.count("o") + flags.count("O")
            del words[:values]
        if words and takes_line:
            return self.line(words[0])
        if words:
            return _unseen(f"{name} runs the file {words[0]}, which is not examined")
        return _unseen(f"{name} reads commands, which are not examined")

    def package_runner(self, rest: list[str]) -> _Found:
        own = rest[: len(rest) - len(_inner(rest, "npx"))]
        for at, word in enumerate(own):
            if word in {"-c", "--call"}:
                return self.line(" ".join(rest[at + 1 : at + 2]))
            if word.startswith("--call="):
                return self.line(word.partition("=")[2])
        return self.wrapped("npx", rest)

    def wrapped(self, name: str, rest: list[str]) -> _Found:
        inner = _inner(rest, name)
        if not inner:
            return _without_command(name, rest)
        return self.line(inner[0]) if len(inner) == 1 and " " in inner[0] else self.command(inner)

    def manager(self, name: str, rest: list[str]) -> _Found:
        # The scripts of another package are not known.
        elsewhere = any(word.partition("=")[0] in _ELSEWHERE for word in rest)
        here = _Guard({}, self._inside) if elsewhere else self
        verb, *words = _inner(rest, name) or [""]
        if not verb:
            return _without_command(name, rest)
        if verb in {"exec", "x", "dlx"}:
            return here.package_runner(words)
        if verb in {"run", "run-script", "rum", "urn"}:
            given = words
            verb, *words = _inner(words, name) or [""]
            if not verb:
                return _without_command(name, given)
            own = False
        elif name == "npm":
            verb = {"t": "test"}.get(verb, verb)
            own = verb not in {"test", "start", "stop", "restart"}
        else:
            own = _OWN_COMMANDS.fullmatch(verb) is not None and verb not in self._scripts
        return iter(()) if own else here.script(name, verb, words)

    def script(self, manager: str, name: str, words: list[str]) -> _Found:
        text = self._scripts.get(name)
        if text is None and manager != "npm":
            return self.command([name, *words])  # a program of node_modules/.bin
        if text is None:
            return _unseen(f"`npm run {name}` is not a script of this package.json")
        if name in self._inside or len(self._inside) > _DEPTH:
            return _unseen(f"`{manager} run {name}` starts itself")
        inside = _Guard(self._scripts, (*self._inside, name))
        words = words[1:] if words[:1] == ["--"] else words
        before, after = (self._scripts.get(f"{when}{name}", "") for when in ("pre", "post"))
        lines = (before, f"{text} {shlex.join(words)}", after)
        return itertools.chain.from_iterable(map(inside.line, lines))

    def all_of(self, rest: list[str]) -> _Found:
        for word in (one for one in rest if not one.startswith("-")):
            names = fnmatch.filter(self._scripts, word.removeprefix("npm:").replace(":**", ":*"))
            for name in names:
                yield from self.script("npm", name, [])
            if not names:
                yield from self.line(word)
