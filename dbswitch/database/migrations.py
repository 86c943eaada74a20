"""Compare a project's Prisma migrations with what a database says was applied.

Read from `_prisma_migrations` and the migrations' folder the way Prisma's schema engine does, without running it.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.durable import read_regular
from dbswitch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from dbswitch.database.url import DatabaseUrl

TABLE: Final = "_prisma_migrations"
# Prisma's default for a URL without `schema`.
DEFAULT_SCHEMA: Final = "public"
_CHECKSUM_LENGTH: Final = 64


class Applied(Struct, frozen=True):
    """One row of the table; a migration may have several, one for each try."""

    name: str
    checksum: str
    finished: bool
    rolled_back: bool


class MigrationState(Struct, frozen=True):
    """How a database and a folder of migrations differ; names in the order in which Prisma applies them.

    Attributes:
        pending: in the folder, not applied.
        failed: started and neither finished nor marked as rolled back; Prisma applies nothing more until that is resolved.
        edited: applied, and changed in the folder since.
        missing: applied, but not in the folder.
        has_table: whether Prisma Migrate was ever used on this database.
    """

    pending: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    has_table: bool = True

    @property
    def in_step(self) -> bool:
        """Whether folder and database agree."""
        return not (self.pending or self.failed or self.edited or self.missing)


def migration_state(url: DatabaseUrl, migrations_dir: Path, *, timeout: float = 5.0) -> MigrationState:
    """Compare `migrations_dir` with the database.

    Args:
        url: the database; its `schema` parameter says where the table is.
        migrations_dir: usually `prisma/migrations`; a folder that does not exist holds no migrations.
        timeout: seconds for connecting and asking.

    Raises:
        ConfigError: a migration cannot be read.
        DatabaseRejectedError: the database refused the connection or the query.
        DatabaseNotReadyError: it did not answer in time.
    """
    from dbswitch.database.failures import AttemptError, explain
    from dbswitch.database.host_lookup import Resolver
    from dbswitch.database.login import session

    scripts = read_scripts(migrations_dir)
    table = f"{_quoted_name(url.search_path or DEFAULT_SCHEMA)}.{_quoted_name(TABLE)}"
    columns = "(finished_at IS NOT NULL)::text AS finished, (rolled_back_at IS NOT NULL)::text AS rolled_back"
    statement = f"SELECT migration_name AS name, checksum, {columns} FROM {table} ORDER BY started_at"  # noqa: S608  # quoted
    try:
        with session(url, Resolver(url.host), timeout) as open_session:
            exists = open_session.query(f"SELECT to_regclass({_quoted_text(table)}) IS NOT NULL AS found")
            if exists[0]["found"] != "t":
                return MigrationState(pending=tuple(scripts), has_table=False)
            rows = open_session.query(statement)
    except AttemptError as error:
        raise explain(error.failure, str(url)) from None
    return compare(scripts, map(_applied, rows))


def read_scripts(migrations_dir: Path) -> dict[str, bytes]:
    """Return the migrations' scripts by name, sorted by name.

    Raises:
        ConfigError: one cannot be read.
    """
    try:
        return {
            folder.name: read_regular(folder / "migration.sql")
            for folder in sorted(migrations_dir.iterdir(), key=lambda path: path.name)
            if (folder / "migration.sql").is_file()
        }
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(
            "A migration cannot be read.",
            facts=(f"{error.filename}: {error.strerror}",),
            fix="check its permissions",
        ) from None


def compare(scripts: Mapping[str, bytes], applied: Iterable[Applied]) -> MigrationState:
    """Compare scripts by name, in Prisma's order, with the table's rows."""
    rows = [row for row in applied if not row.rolled_back]
    done = {row.name: row for row in rows if row.finished}
    failed = dict.fromkeys(row.name for row in rows if not row.finished)
    return MigrationState(
        pending=tuple(name for name in scripts if name not in done and name not in failed),
        failed=tuple(failed),
        edited=tuple(
            name
            for name, script in scripts.items()
            if name in done and not _matches(script, done[name].checksum)
        ),
        missing=tuple(sorted(name for name in done if name not in scripts)),
    )


def _matches(script: bytes, checksum: str) -> bool:
    # Git may have changed the line endings, so the engine accepts both.
    spellings = (script, script.replace(b"\r\n", b"\n"), script.replace(b"\n", b"\r\n"))
    digests = [hashlib.sha256(spelling).digest() for spelling in spellings]
    if len(checksum) != _CHECKSUM_LENGTH:
        # Early versions of the engine wrote each byte without its leading zero.
        return checksum in {"".join(f"{byte:x}" for byte in digest) for digest in digests}
    return checksum in {digest.hex() for digest in digests}


def _applied(row: Mapping[str, str | None]) -> Applied:
    return Applied(
        name=row["name"] or "",
        checksum=row["checksum"] or "",
        finished=row["finished"] == "true",
        rolled_back=row["rolled_back"] == "true",
    )


def _quoted_name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _quoted_text(text: str) -> str:
    # The URL may carry options that change standard_conforming_strings: E'' means the same under both.
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
