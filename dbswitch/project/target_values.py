"""Reading the values of targets: from env files, files in dotenv format, and the output of a `command`."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, final

from dbswitch import redaction
from dbswitch.durable import read_regular
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.effective_values import read_env_files
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_POSTGRES = re.compile(r"postgres(?:ql)?://", re.IGNORECASE)
_REFERENCE = re.compile(r"(?<!\\)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE_DEPTH = 5
_LONGEST_VALUE = 65_536  # characters
_LARGEST_OUTPUT = 1 << 20  # bytes; far more than any target needs


@final
class SecretValues(Mapping[str, str]):
    """Variables of a target: an immutable mapping whose repr gives the names and hides the values.

    From then on the values are redacted in foreign text, such as the end of a server's log.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        redaction.remember(self._values.values())

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return "SecretValues(" + ", ".join(f"{key}=(hidden)" for key in self._values) + ")"

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))


def is_postgres(value: str) -> bool:
    """Return whether a value is meant as a Postgres URL."""
    return _POSTGRES.match(value.strip()) is not None


def bound_variables(root: Path) -> tuple[SecretValues, dict[str, str]]:
    """Return what the dev env files bind, highest precedence winning, and the file each comes from."""
    files = read_env_files(root)
    values: dict[str, str] = {}
    where: dict[str, str] = {}
    for name in reversed(DEV_FILES):
        if name in files:
            for binding in Document.parse(files[name]).bindings:
                values[binding.key] = binding.value
                where[binding.key] = name
    return SecretValues(values), where


def with_references(value: str, bound: Mapping[str, str]) -> str:
    """Return `value` with `${NAME}` of bound names replaced, as @next/env and Prisma do. Pure.

    Unknown names stay as they are: a `$` in a password is more likely than a reference to nothing. So does a value that
    names itself, or grows beyond what any variable is.
    """
    text = value
    for _ in range(_REFERENCE_DEPTH):
        text = _REFERENCE.sub(lambda match: bound.get(match[1], match[0]), text)
        if len(text) > _LONGEST_VALUE:
            return value
    return text


def read_target_file(path: Path, shown: str) -> SecretValues:
    """Return what an `env/NAME.env` sets, as python-dotenv reads it, without interpolation.

    Raises ConfigError: it cannot be read, is not UTF-8, or a line is no binding (its number is named, never its text).
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{shown} is not UTF-8", fix=f"save {shown} as UTF-8") from None
    except OSError as error:
        raise ConfigError(
            f"{shown} cannot be read", facts=(str(error.strerror),), fix=f"make {shown} readable"
        ) from None
    return parse_dotenv(text, shown)


def parse_dotenv(text: str, shown: str) -> SecretValues:
    """Return the bindings in dotenv text as python-dotenv reads them. Raises ConfigError as :func:`read_target_file`."""
    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            raise ConfigError(
                f"{shown}, line {binding.original.line}: not a KEY=value line",
                why="if part of the file were ignored, only some of the target's variables would be switched",
                fix=f"correct line {binding.original.line}, for example close its quote",
            )
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return SecretValues(values)


def run_command(argv: tuple[str, ...], folder: Path, timeout: float, owner: str) -> str:
    """Return what a command prints (`op read`, `vault`, `neon`). No shell; `timeout` in seconds, `owner` for messages.

    Raises ConfigError: not found, failed, too slow, or its output is not UTF-8 or larger than 1 MiB. What the command
    prints, also to stderr, is a secret and not shown.
    """

    def failed(what: str, fix: str, fact: str = argv[0]) -> ConfigError:
        why = "The values come from this command."
        return ConfigError(f"the command of {owner} {what}", facts=(fact,), why=why, fix=fix)

    program = argv[0]
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise failed("was not found", f"install {program}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in one of the arguments
        reason = error.strerror if isinstance(error, OSError) else error
        fix = f"correct the command of {owner} in dbswitch.toml"
        raise failed("cannot be run", fix, f"{program}: {reason}") from None
    except subprocess.TimeoutExpired:
        fix = "run it yourself once (it may be waiting for a login), or set command_timeout"
        raise failed(f"did not finish within {timeout:g} s", fix) from None
    if done.returncode != 0:
        raise failed(
            f"failed with exit code {done.returncode}",
            "run it yourself to see its output",
            f"{program}; its output is not shown because it may contain secrets",
        )
    expected = "it must print one URL, or KEY=value lines, as UTF-8"
    if len(done.stdout) > _LARGEST_OUTPUT:
        raise failed("printed more than 1 MiB", expected)
    try:
        return done.stdout.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise failed("printed output that is not UTF-8", expected) from None
