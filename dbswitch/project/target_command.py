"""Running the `command` of a target (`op read`, `vault`, `neon`): no shell, a time limit, its output never shown."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES = 1 << 20  # far more than any target needs
_WHY = "The values come from this command."


def run(argv: tuple[str, ...], cwd: Path, timeout: float, owner: str) -> str:
    """Return what the command prints. `timeout` in seconds; `owner` is whose command it is, for messages. What it prints is a secret, on stderr too.

    Raises:
        ConfigError: not found, failed, too slow, or its output is not UTF-8 or larger than a mebibyte.
    """
    try:
        done = subprocess.run(argv, cwd=cwd, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise ConfigError(
            f"the command of {owner} was not found",
            facts=(argv[0],),
            why=_WHY,
            fix=f"install {argv[0]}",
        ) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in one of the arguments
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"the command of {owner} cannot be run",
            facts=(f"{argv[0]}: {reason}",),
            why=_WHY,
            fix=f"correct the command of {owner} in dbswitch.toml",
        ) from None
    except subprocess.TimeoutExpired:
        raise ConfigError(
            f"the command of {owner} did not finish within {timeout:g} s",
            facts=(argv[0],),
            why=_WHY,
            fix="run it yourself once (it may be waiting for a login), or set command_timeout",
        ) from None
    if done.returncode != 0:
        raise ConfigError(
            f"the command of {owner} failed with exit code {done.returncode}",
            facts=(argv[0], "its output is not shown because it may contain secrets"),
            why=_WHY,
            fix="run it yourself to see its output",
        )
    if len(done.stdout) > _MAX_BYTES:
        raise ConfigError(
            f"the command of {owner} printed more than 1 MiB",
            facts=(argv[0],),
            why=_WHY,
            fix="docs/reference/config.md says what it must print",
        )
    try:
        return done.stdout.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(
            f"the command of {owner} printed output that is not UTF-8",
            facts=(argv[0],),
            why=_WHY,
            fix="docs/reference/config.md says what it must print",
        ) from None
