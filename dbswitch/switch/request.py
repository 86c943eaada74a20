"""The request of a caller, and how a run asks the user."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

from dbswitch.switch.run_event_files import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbswitch.switch.plan import Mode


class Question(Struct, frozen=True):
    """A name that the user has to type before a protected target is used; `text` says why it is asked, masked."""

    text: str
    expected: str


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a command that changes something."""

    # the name as typed (aliases are resolved by the project); empty for `dev`, `stop` and `restart`
    target: str = ""
    run_id: str = field(default_factory=new_id)
    mode: Mode | None = None  # `--restart`, `--hot`, `--no-restart`, or None for the project's setting
    confirm: str | None = None  # `--confirm`, the name of a protected target or of its database
    timeout: float | None = None  # seconds to wait for the database; None is the configured deadline
    dry_run: bool = False
    # asks the user and returns the answer; None without a terminal
    ask: Callable[[Question], str] | None = None
    # end a foreign process on the port the server needs (the caller has asked the user)
    take_port: bool = False
    # `--read-only` (True), `--write` (False), or None for what dbswitch.toml says
    read_only: bool | None = None
    limit: float | None = None  # `--for` in seconds; 0 for no limit, None for what dbswitch.toml says
    ended_limit: str | None = None  # the id of the time limit that has passed and makes the run go back
    # the caller's process environment, also for a server that has no living one's to start from
    ambient: Mapping[str, str] = field(default_factory=dict, repr=False)
    # what the next server gets besides the cleaned environment
    extra: Mapping[str, str] = field(default_factory=dict, repr=False)
    pool: str | None = None  # the pool whose clients are switched instead of the app
