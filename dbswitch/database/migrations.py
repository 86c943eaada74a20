"""Compare a project's Prisma migrations with what a database says was applied, the way Prisma's schema engine does."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, convert

from dbswitch.database.failures import AttemptError, Failure
from dbswitch.database.identity import quoted_name
from dbswitch.durable import read_regular
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from dbswitch.database.login import LoginSession

TABLE: Final = "_prisma_migrations"
# Prisma's default for a URL without `schema`.
DEFAULT_SCHEMA: Final = "public"
_CHECKSUM_LENGTH: Final = 64
_NO_TABLE: Final = "42P01"


class Applied(Struct, frozen=True):
    """One row of the table; a migration may have several, one for each try."""

    name: str
    checksum: str
    finished: bool
    rolled_back: bool


class MigrationState(Struct, frozen=True):
    """How a database and a folder of migrations differ; names in the order in which Prisma applies them."""

    pending: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()  # not finished, not marked as rolled back: Prisma applies nothing more
    edited: tuple[str, ...] = ()  # applied, and changed in the folder since
    missing: tuple[str, ...] = ()  # applied, and not in the folder
    rolled_back: tuple[str, ...] = ()  # those of `pending` that failed and were marked as rolled back
    has_table: bool = True  # whether Prisma Migrate was ever used on this database
    tables: int = 0  # of the schema, if it was never used

    def describe(self, target: str) -> str:
        """Return one line about the target's database; empty if folder and database agree."""
        again = f" ({len(self.rolled_back)} of them rolled back)" if self.rolled_back else ""
        were = "were" if self.edited[1:] else "was"
        parts = (
            f"lacks {count(self.pending)} of this branch{again}" if self.pending else "",
            f"has {count(self.failed)} that failed" if self.failed else "",
            f"has applied {count(self.edited)} that {were} edited since" if self.edited else "",
            f"has applied {count(self.missing)} that this branch does not have" if self.missing else "",
        )
        told = [part for part in parts if part]
        return f"{target} {', '.join(told[:-1])}{' and ' if told[1:] else ''}{told[-1]}" if told else ""


def read_state(
    open_session: LoginSession, schema: str | None, scripts: Mapping[str, bytes]
) -> MigrationState | Failure:
    """Compare the project's scripts with the table in `schema`, in one query; return why it could not be read if so."""
    schema = schema or DEFAULT_SCHEMA
    table = f"{quoted_name(schema)}.{TABLE}"
    columns = "(finished_at IS NOT NULL)::text AS finished, (rolled_back_at IS NOT NULL)::text AS rolled_back"
    statement = f"SELECT migration_name AS name, checksum, {columns} FROM {table} ORDER BY started_at"  # noqa: S608  # quoted
    try:
        rows = open_session.query(statement)
    except AttemptError as error:
        if error.failure.sqlstate != _NO_TABLE:
            return error.failure
        counted = f"SELECT count(*) AS tables FROM pg_catalog.pg_tables WHERE schemaname = {open_session.literal(schema)}"  # noqa: S608  # quoted
        try:
            [row] = open_session.query(counted)
        except AttemptError as failed:
            return failed.failure
        return MigrationState(pending=tuple(scripts), has_table=False, tables=int(row["tables"] or 0))
    return compare(scripts, convert(rows, list[Applied], strict=False))


def read_scripts(migrations_dir: Path) -> dict[str, bytes]:
    """Return the migrations' scripts by name, sorted by name. Raises ConfigError: one cannot be read."""
    try:
        folders = sorted(migrations_dir.iterdir(), key=lambda path: path.name)
        files = (folder / "migration.sql" for folder in folders)
        return {file.parent.name: read_regular(file) for file in files if file.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        fact = f"{error.filename}: {error.strerror}"
        raise ConfigError("a migration cannot be read", facts=(fact,), fix="check its permissions") from None


def compare(scripts: Mapping[str, bytes], applied: Sequence[Applied]) -> MigrationState:
    """Compare scripts by name, in Prisma's order, with the table's rows."""
    rows = [row for row in applied if not row.rolled_back]
    done = {row.name: row for row in rows if row.finished}
    failed = dict.fromkeys(row.name for row in rows if not row.finished)
    pending = tuple(name for name in scripts if name not in done and name not in failed)
    undone = {row.name for row in applied if row.rolled_back}
    edited = (name for name in scripts if name in done and not _matches(scripts[name], done[name].checksum))
    return MigrationState(
        pending=pending,
        rolled_back=tuple(name for name in pending if name in undone),
        failed=tuple(failed),
        edited=tuple(edited),
        missing=tuple(sorted(name for name in done if name not in scripts)),
    )


def count(names: tuple[str, ...]) -> str:
    """Return how many migrations these are, for display."""
    return f"{len(names)} migration{'s' if len(names) > 1 else ''}"


def _matches(script: bytes, checksum: str) -> bool:
    if hashlib.sha256(script).hexdigest() == checksum:
        return True
    # Git may have changed the line endings, so the engine accepts both.
    spellings = (script, script.replace(b"\r\n", b"\n"), script.replace(b"\n", b"\r\n"))
    digests = [hashlib.sha256(spelling).digest() for spelling in spellings]
    if len(checksum) != _CHECKSUM_LENGTH:
        # Early versions of the engine wrote each byte without its leading zero.
        return checksum in {"".join(f"{byte:x}" for byte in digest) for digest in digests}
    return checksum in {digest.hex() for digest in digests}
