"""The error tree and the exit codes. What escapes and is no :class:`ReportedError` is a bug and exits with 3."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command; `docs/reference/exit-codes.md` is the text for people."""

    OK = 0
    FOUND = 1
    USAGE = 2
    BUG = 3
    DATABASE = 4
    BUSY = 5
    SERVER = 6
    ROLLED_BACK = 7
    ROLLBACK_FAILED = 8
    PROTECTED = 9
    INTERRUPTED = 130
    TERMINATED = 143


class ReportedError(BaseException):
    """How a command that did not reach its goal ends: an exit code, and four parts without a secret (URLs are masked).

    `what` failed and `why` it matters are one sentence each, `facts` short lines with what was seen, and `fix` is the
    command or edit that helps.
    """

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, what: str, *, facts: Iterable[str] = (), why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.facts = tuple(facts)
        self.why = why
        self.fix = fix

    @property
    def code(self) -> str:
        """The stable name programs match on: the class name without `Error`, in snake case."""
        name = type(self).__name__.removesuffix("Error")
        return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class DbswitchError(ReportedError, Exception):
    """An expected failure."""


class UsageError(DbswitchError):
    """A command line that cannot be carried out: unknown target, contradicting flags."""


class ConfigError(DbswitchError):
    """`dbswitch.toml`, a target's source or the project itself cannot be used as it is."""


class UrlError(DbswitchError):
    """A connection URL that dbswitch, Prisma or libpq cannot use."""


class EnvFileError(DbswitchError):
    """An env file that cannot be read, or not be edited safely. Nothing was written."""


class EnvFileConflictError(EnvFileError):
    """An env file was changed by another program between planning and writing. It was left as it is."""


class DatabaseNotReadyError(DbswitchError):
    """The database did not answer before the deadline."""

    exit_code = ExitCode.DATABASE


class DatabaseRejectedError(DbswitchError):
    """The database answered and will keep saying no: wrong password, no such database, TLS mismatch."""

    exit_code = ExitCode.DATABASE
    prisma_code = ""  # Prisma's code for the reason, where one is known


class BusyError(DbswitchError):
    """Another switch held the lock past the deadline."""

    exit_code = ExitCode.BUSY


class OvertakenError(BusyError):
    """A newer request came in while this one waited, or before it had changed anything."""


class ServerError(DbswitchError):
    """The dev server could not be stopped or started."""

    exit_code = ExitCode.SERVER


class PoolerError(DbswitchError):
    """A connection pooler could not be asked, paused or reloaded."""

    exit_code = ExitCode.SERVER
    down = False  # nothing listens at its address


class PortTakenError(ServerError):
    """A port the server needs is held by a foreign process."""


class RolledBackError(DbswitchError):
    """The switch failed and everything is as it was before."""

    exit_code = ExitCode.ROLLED_BACK


class RollbackFailedError(DbswitchError):
    """The switch failed, and so did putting things back."""

    exit_code = ExitCode.ROLLBACK_FAILED


class ProtectedError(DbswitchError):
    """A protected target was not confirmed."""

    exit_code = ExitCode.PROTECTED


class InterruptedSwitchError(ReportedError):
    """Ctrl-C (130) or TERM (143); whatever had been done was put back first."""

    # A signal handler raises it inside any library; since it is no Exception, `except Exception` does not swallow it.

    def __init__(self, *, terminated: bool = False, facts: Iterable[str] = ()) -> None:
        super().__init__("terminated" if terminated else "interrupted", facts=facts)
        self.exit_code = ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED


def interruption_behind(error: BaseException) -> InterruptedSwitchError | None:
    """Return the interruption an exception came from, if a clean-up failed while handling it; else None."""
    # A signal handler raises between any two steps of any library, and not every one of them expects that: the first
    # error is then only the context of the one that arrives.
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen and not isinstance(found, InterruptedSwitchError):
        seen.add(id(found))
        found = found.__context__
    return found if isinstance(found, InterruptedSwitchError) else None
