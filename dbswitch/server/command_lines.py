"""Which command lines belong to a dev server's chain, and which are a user's editor, terminal or shell (pure).

The chain of `npm run dev` is npm -> `sh -c` -> `node .../next dev` -> `next-server (vX)`; npm, npx and Next change their
process titles, so argv may be a single string.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dbswitch.redaction import printable, redact

_NEXT_SERVER = re.compile(r"next-server \(v")
_NEXT_ENTRY = re.compile(r"(^|/)(next|next/dist/bin/next|next/dist/bin/next\.js)$")
_MANAGERS = frozenset({"npm", "npx", "pnpm", "pnpx", "yarn", "yarnpkg", "bun", "bunx", "corepack"})
_MANAGER_SCRIPTS = r"(^|/)(npm-cli\.js|npx-cli\.js|pnpm(\.c?js)?|yarn(\.c?js)?|npm|npx|corepack(\.js)?)$"
_RUNTIMES = frozenset({"node", "nodejs", "bun", "bun-debug", "deno"})
_TASK_RUNNERS = frozenset({"turbo", "nx"})
# Programs that put an env file into the environment of the command they run.
_ENV_LOADERS = frozenset({"dotenv", "dotenv-cli", "dotenvx", "env-cmd", "direnv"})
_ENV_FILE_OPTION = re.compile(r"--env-file(-if-exists)?(=|$)")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ash", "ksh", "fish", "busybox"})
# Editors, terminals, ways to log in, agents.
_PERSONAL = frozenset({
    "code", "code-insiders", "codium", "vscodium", "cursor", "windsurf", "zed", "zeditor", "subl",
    "sublime_text", "atom", "idea", "webstorm", "phpstorm", "pycharm", "goland", "rider", "fleet", "vim",
    "nvim", "vi", "gvim", "emacs", "emacsclient", "nano", "hx", "helix", "kak", "micro", "kate", "gedit",
    "tmux", "screen", "zellij", "kitty", "alacritty", "wezterm", "wezterm-gui", "konsole", "xterm",
    "iterm2", "terminal", "gnome-terminal", "gnome-terminal-server", "ghostty", "sshd", "ssh", "login",
    "su", "sudo", "electron", "systemd", "launchd", "claude", "codex", "aider",
})  # fmt: skip


def _base(word: str) -> str:
    return word.rpartition("/")[2]


def _words(argv: Sequence[str]) -> list[str]:
    """Return the arguments, even if a program replaced its title by one string; at least one, perhaps empty."""
    return list(argv) if any(argv[1:]) else "".join(argv[:1]).split(" ")


def is_next_server(argv: Sequence[str]) -> bool:
    """Say whether this is the process that serves the pages, by the title Next gives it."""
    return bool(argv) and _NEXT_SERVER.match(argv[0]) is not None


def is_next_dev(argv: Sequence[str]) -> bool:
    """Say whether this is Next's command line program in development mode."""
    words = _words(argv)
    if _base(words[0]) in _RUNTIMES:
        words = _after_options(words)
    if not words or not _NEXT_ENTRY.search(words[0]):
        return False
    command = next((word for word in words[1:] if not word.startswith("-")), "dev")
    # `next` alone and `next ./folder` mean `next dev`; every other command has a name of letters.
    return command == "dev" or command.isdecimal() or "/" in command or command == "."


def is_node(argv: Sequence[str], executable: str | None = None) -> bool:
    """Say whether this is Node.js, Bun or Deno, by its executable if it has set its own title (`next-server`, `npm run`)."""
    names = {_base(_words(argv)[0]), _base((executable or "").removesuffix(" (deleted)"))}
    return bool(names & _RUNTIMES) or is_next_server(argv) or is_package_manager(argv)


def program_name(argv: Sequence[str]) -> str:
    """Return a short name of the program that may be shown."""
    words = _words(argv)
    return masked_text(_base(words[0]).rstrip(":")) if words[0] else "a program"


def is_package_manager(argv: Sequence[str]) -> bool:
    """Say whether this is npm, pnpm, yarn or bun, under any name."""
    words = _words(argv)
    first = _base(words[0])
    if first in _MANAGERS:
        return True
    if first not in _RUNTIMES:
        return False
    script = next((word for word in words[1:] if not word.startswith("-")), "")
    return re.search(_MANAGER_SCRIPTS, script) is not None


def env_file_loader(argv: Sequence[str]) -> str | None:
    """Return what puts an env file into the environment: `dotenv` and similar programs, or Node's `--env-file`."""
    words = _words(argv)
    program = words[0]
    if _base(program) in _RUNTIMES:
        rest = _after_options(words)
        if any(_ENV_FILE_OPTION.match(word) for word in words[1 : len(words) - len(rest)]):
            return "--env-file"
        program = rest[0] if rest else ""
    # The program itself, or the main file of a package: `dotenv`, `dotenv-cli/cli.js`.
    return next((part for part in reversed(program.split("/")[-2:]) if part in _ENV_LOADERS), None)


def _after_options(words: Sequence[str]) -> list[str]:
    """Return what a runtime's command line holds from its script on."""
    index = 1
    while index < len(words) and words[index].startswith("-"):
        option = _ENV_FILE_OPTION.match(words[index])
        index += 2 if option is not None and not option[2] else 1
    return list(words[index:])


def is_task_runner(argv: Sequence[str]) -> bool:
    """Say whether this is turbo or nx, which may give each task a terminal, and so its own session."""
    words = _words(argv)
    return any(_base(word).removesuffix(".js") in _TASK_RUNNERS for word in words[:2])


def is_script_shell(argv: Sequence[str]) -> bool:
    """Say whether this is a shell that runs one given command, as package managers start it."""
    return len(argv) >= 3 and _base(argv[0]) in _SHELLS and any(word == "-c" for word in argv[1:-1])


def is_chain_parent(argv: Sequence[str], grandparent: Sequence[str]) -> bool:
    """Say whether the search may continue with this parent."""
    # A script's shell belongs to the chain only below a package manager: `bash -c "cd app && npm run dev"` is a terminal's.
    if is_script_shell(argv):
        return is_package_manager(grandparent)
    return is_next_dev(argv) or is_package_manager(argv) or env_file_loader(argv) is not None


def is_personal(argv: Sequence[str]) -> bool:
    """Say whether this is an editor, a terminal or an interactive shell."""
    # Next's error page opens the user's editor as a child of the server; it inherits everything, the marker included.
    if not argv:
        return False
    name = _base(argv[0].partition(" ")[0]).lower().lstrip("-").rstrip(":")
    if name in _SHELLS:
        return all(word.startswith("-") and word != "-c" for word in argv[1:])
    return name in _PERSONAL or ".app/Contents/MacOS/" in argv[0]


def is_dbswitch(argv: Sequence[str]) -> bool:
    """Say whether this is dbswitch itself: the console script, `python -m dbswitch`, or a wrapper that names it first."""
    words = _words(argv)
    for index, word in enumerate(words[:4]):
        if _base(word) == "dbswitch":
            return index == 0 or not words[index - 1].startswith("-") or words[index - 1] == "-m"
    return False


# An option and its value as two arguments. The first line keeps it linear: one attempt for each run of its characters, and
# only where a value follows.
_OPTION = (
    r"(?i)(?<![\w-])(?=[\w-]+\s+[^\s-])"
    r"(\w*-[\w-]*?(?:pass(?:word|wd)?|pwd|token|secret|api[-_]?key)[\w-]*\s+)\S+"
)


def masked_text(text: str) -> str:
    """Return text that may be shown: no value of a target, no password, nothing unprintable."""
    return printable(re.sub(_OPTION, r"\1***", redact(text)))


def masked_command(argv: Sequence[str], limit: int = 120) -> str:
    """Return a command line that may be shown, at most `limit` characters of it."""
    text = masked_text(" ".join(argv))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
