"""Which server and database answered, in a form that psycopg and the app's own Prisma client can both ask for."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct, ValidationError, convert, to_builtins

_Text = Annotated[str, Meta(min_length=1)]

# One statement, every column text. pg_control_system() may have been revoked, or not exist at all, and Postgres checks
# that when a statement starts, even in the branch of a CASE that is never taken. ts_stat() runs a statement of its own only
# when it is reached (query_to_xml() would need a server built with libxml).
_BEFORE: Final = """SELECT
  current_database()::text AS "database",
  (SELECT d.oid::text FROM pg_catalog.pg_database d WHERE d.datname = current_database()) AS "databaseOid",
  ((extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint)::text AS "startedAt",
  """
_SYSTEM_IDENTIFIER: Final = """CASE WHEN has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'EXECUTE') THEN
    (SELECT s.word::text FROM ts_stat('SELECT system_identifier::text::tsvector FROM pg_catalog.pg_control_system()') s)
  END"""
_AFTER: Final = """ AS "systemIdentifier",
  current_setting('server_version')::text AS "serverVersion",
  pg_is_in_recovery()::text AS "inRecovery",
  (current_setting('transaction_read_only') = 'on')::text AS "readOnly",
  coalesce(current_schema(), '')::text AS "schema",
  current_user::text AS "role\""""

IDENTITY_SQL: Final = _BEFORE + _SYSTEM_IDENTIFIER + _AFTER
# For servers that speak the protocol but lack ts_stat or pg_control_system.
PLAIN_IDENTITY_SQL: Final = _BEFORE + "NULL::text" + _AFTER


class Identity(Struct, frozen=True, rename="camel"):
    """Which server and database answered, and in what state it was; None is what was not reported."""

    database: _Text
    database_oid: _Text
    started_at: _Text  # of the postmaster, microseconds since the epoch, decimal
    system_identifier: str | None  # the cluster's number; None if the role may not read it
    server_version: _Text
    in_recovery: bool  # a standby, or a server replaying its log
    read_only: bool
    schema: str | None = None  # the first of the search path, empty if none of it exists
    role: str | None = None
    # of Prisma's model queries: the URL's `?schema=` for the probe, what the generated client writes into its SQL for the
    # app; None where the URL names none, or the app's client cannot tell
    model_schema: str | None = None
    environment: str | None = None  # what the database says it is (`dbswitch mark`)

    @property
    def product(self) -> str:
        """The server for display, such as `PostgreSQL 18.4`, without the packager's addition (`(Debian 18.4-1)`)."""
        return f"PostgreSQL {self.server_version.split()[0]}"

    def same_as(self, other: Identity) -> bool:
        """Whether both answers came from one database of one running server."""
        # The start time always counts: a branch, a restored snapshot and a standby carry their origin's system identifier.
        # A server that restarted in between is not recognised (`restart_of`); ask both sides again then.
        return self._same_place(other) and self.started_at == other.started_at

    def restart_of(self, other: Identity) -> bool:
        """Whether the two differ in the server's start time only: one server restarted, or a copy of it."""
        return self._same_place(other) and self.started_at != other.started_at

    def differs_in(self, expected: Identity) -> str:
        """Describe how the app's identity differs from `expected` in role, schema or access; empty if it does not."""
        if None not in {self.role, expected.role} and self.role != expected.role:
            return f"as role {self.role}, not {expected.role}"
        wanted, found = expected.model_schema, self.model_schema
        if wanted is None:
            wanted, found = expected.schema, self.schema
        elif found is None and self.schema not in {wanted, expected.schema}:
            found = self.schema
        if None not in {wanted, found} and wanted != found:
            return f"in {_schema(found)}, not {_schema(wanted)}"
        if self.read_only != expected.read_only:
            return f"in {_access(self)} sessions, not in {_access(expected)} ones"
        return ""

    def leaves_open(self, expected: Identity) -> str:
        """Describe what the app's identity lacks of `expected`; empty if it lacks nothing."""
        untold = [name for name in ("schema", "role") if getattr(self, name) is None]
        if untold:
            return f"the identity route does not report {' and '.join(untold)}"
        wanted = expected.model_schema
        if wanted is not None and wanted not in {self.model_schema, self.schema}:
            return (
                f"the app's own Prisma client cannot tell whether its models use {_schema(wanted)} (a driver adapter takes "
                "it as an option and ignores ?schema= in the URL)"
            )
        return ""

    def _same_place(self, other: Identity) -> bool:
        known = self.system_identifier is not None and other.system_identifier is not None
        return (
            self.database == other.database
            and self.database_oid == other.database_oid
            and (not known or self.system_identifier == other.system_identifier)
        )

    def to_json(self) -> dict[str, str]:
        """Return the identity with the names the generated route uses, all as text; what is not known is left out."""
        found = ((key, value) for key, value in to_builtins(self).items() if value is not None)
        return {key: str(value).lower() if isinstance(value, bool) else value for key, value in found}

    @classmethod
    def from_json(cls, found: object) -> Identity:
        """Read a row of :data:`IDENTITY_SQL`, or what the generated route answered. Raises ValueError."""
        if isinstance(found, dict):
            found = {"systemIdentifier": None, **found}
        try:
            return convert(found, cls, strict=False)  # the two booleans are text
        except ValidationError as error:
            raise ValueError(f"not an identity: {error}") from None


def quoted_name(name: str) -> str:
    """Return `name` as an identifier of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _schema(name: str | None) -> str:
    return f'schema "{name}"' if name else "no schema"


def _access(identity: Identity) -> str:
    return "read-only" if identity.read_only else "writable"
