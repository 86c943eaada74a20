"""The environment a new server starts with: the old one's launch environment, without the variables that would override the env files."""

# Measured on Next.js 16.0.7 and 16.4.6: a process started from a route handler inherits every key of the env files and
# `__NEXT_PROCESSED_ENV`, with which a new Next logs the env files and loads nothing; an exported variable beats every env
# file, at the start and at each later reload. So what an env file or a target binds is *removed*, never set.

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from msgspec import Struct

from dbswitch.redaction import HiddenValues

MARKER = "DBSWITCH_SERVER"

_NEXT_INTERNAL = re.compile(r"__NEXT_|NEXT_PRIVATE_|NEXT_RUNTIME$")
_NEXT_TRACES = ("__NEXT_PROCESSED_ENV", "__NEXT_PRIVATE_ORIGIN", "NEXT_PRIVATE_WORKER", "NEXT_RUNTIME")
# Next sets these in its own process; in an environment it never touched they are the user's choice.
_NEXT_OVERWRITES = frozenset({"NODE_ENV", "NEXT_DEPLOYMENT_ID", "RUST_MIN_STACK", "TURBOPACK"})
# `npm run` describes one run of one script of one package; the next run writes its own.
_NPM_RUN = re.compile(r"npm_|INIT_CWD$|PNPM_SCRIPT_SRC_DIR$|PROJECT_CWD$|BERRY_BIN_FOLDER$", re.IGNORECASE)
# Ambient values beat env files, so a file that binds one of these changed nothing; without them nothing starts.
_ESSENTIAL = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "LANG", "TERM", "PWD"})


class CleanEnvironment(Struct, frozen=True):
    """What the server gets, and the names of variables that the user had set and that are not passed on."""

    env: Mapping[str, str]
    removed: tuple[str, ...] = ()


def touched_by_next(launch: Mapping[str, str]) -> bool:
    """Say whether this environment was read from, or inherited from, a running Next.js."""
    return any(name in launch for name in _NEXT_TRACES)


def clean(
    launch: Mapping[str, str],
    *,
    env_file_keys: Collection[str],
    target_keys: Collection[str],
    extra: Mapping[str, str] | None = None,
) -> CleanEnvironment:
    """Return what the next server starts with; `launch` is what the old one was launched with, `extra` is set last."""
    from_next = touched_by_next(launch)
    from_npm = "npm_lifecycle_event" in launch
    bound = (set(env_file_keys) | set(target_keys)) - _ESSENTIAL
    env = HiddenValues()
    removed: list[str] = []
    for name, value in launch.items():
        if name in bound:
            # Inside a running Next the env files put it there; elsewhere, and unless dbswitch started it, the user did.
            if not from_next and MARKER not in launch:
                removed.append(name)
        elif not (
            name in {MARKER, "PORT"}
            or _NEXT_INTERNAL.match(name)
            or (from_next and name in _NEXT_OVERWRITES)
            or (from_npm and _NPM_RUN.match(name))
        ):
            env[name] = value
    env.update(extra or {})
    return CleanEnvironment(env, tuple(sorted(removed)))


def without_next_options(launch: Mapping[str, str], memory_mib: int) -> dict[str, str]:
    """Return the environment with those parts of NODE_OPTIONS removed that Next provably added itself."""
    # Next gives its server process `--enable-source-maps`, and `--max-old-space-size` with half of the machine's memory
    # (`memory_mib`, rounded down) unless the user had chosen a size. Any other size is therefore the user's.
    env = dict(launch)
    if touched_by_next(env) and (options := env.pop("NODE_OPTIONS", "")):
        added = {"--enable-source-maps", f"--max-old-space-size={memory_mib // 2}"}
        if kept := " ".join(word for word in options.split() if word not in added):
            env["NODE_OPTIONS"] = kept
    return env
