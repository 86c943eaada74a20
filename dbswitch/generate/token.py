"""The project's token: what a generated route requires before it reports the app's database."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from dbswitch import durable

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "token"


def new_token() -> bytes:
    """Return the content of a new token file: 32 random bytes in text form and a line end."""
    return f"{secrets.token_urlsafe(32)}\n".encode()


def ensure_token(state_dir: Path) -> bool:
    """Write the token (0600) where there is none; return whether it was written.

    Raises:
        OSError: the state folder or the file cannot be written.
    """
    durable.ensure_state_dir(state_dir)
    path = state_dir / NAME
    if path.exists():
        return False
    durable.replace_file(path, new_token())
    return True
