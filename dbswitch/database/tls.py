"""What libpq and node-postgres make of one URL's TLS parameters. They differ, so the probe may succeed where the app fails.

Sources: libpq's "SSL Support"; `pg-connection-string` 2.14 and `pg` 8.23, whose `sslmode` other than `disable` and
`no-verify` verifies certificate and name, and which without any parameter does not encrypt at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from dbswitch.database.url import DatabaseUrl


class TlsView(Struct, frozen=True):
    """What one client does: when it encrypts, and which parts of the server's certificate it checks."""

    encrypts: str
    checks: str = "nothing"

    def __str__(self) -> str:
        return "not encrypted" if self is PLAIN else f"encrypted {self.encrypts}, checks {self.checks}"


PLAIN = TlsView("never")
_IF_OFFERED = TlsView("if the server offers it")
_UNVERIFIED = TlsView("always")
_BY_AUTHORITY = TlsView("always", "its authority")
_FULL = TlsView("always", "its authority and the host name")


def libpq_view(url: DatabaseUrl) -> TlsView:
    """Return what libpq, and so the probe and psql, do with `url`."""
    mode = url.libpq_sslmode
    if url.is_socket or mode == "disable":
        return PLAIN
    if mode in {"allow", "prefer"}:
        return _IF_OFFERED
    system = url.parameter("sslrootcert") == "system" and mode != "require"
    return _FULL if system else _as_libpq(mode, url)


def node_view(url: DatabaseUrl) -> TlsView:
    """Return what node-postgres does with `url` when the code gives it no `ssl` option of its own."""
    mode, ssl = url.parameter("sslmode"), url.parameter("ssl")
    if mode is None and not any(url.parameter(key) for key in ("sslcert", "sslkey", "sslrootcert")):
        if url.parameter("sslnegotiation") == "direct" and ssl is None:
            return _FULL
        if ssl in {None, "", "0"}:
            return PLAIN
        # Any other text is a true value in JavaScript, `false` included.
        return _UNVERIFIED if ssl == "no-verify" else _FULL
    if mode == "disable":
        return PLAIN
    if url.parameter("uselibpqcompat") == "true":
        return _UNVERIFIED if mode == "prefer" else _as_libpq(mode, url)
    return _UNVERIFIED if mode == "no-verify" else _FULL


def _as_libpq(mode: str | None, url: DatabaseUrl) -> TlsView:
    if mode == "require":
        # With a root certificate libpq verifies even in this mode, for the sake of old installations.
        return _BY_AUTHORITY if url.parameter("sslrootcert") else _UNVERIFIED
    return _BY_AUTHORITY if mode == "verify-ca" else _FULL


def advice(url: DatabaseUrl) -> tuple[str, ...]:
    """Return what the user should know about the TLS of `url`; one sentence each."""
    found: list[str] = []
    libpq, node = libpq_view(url), node_view(url)
    mode = url.parameter("sslmode")
    if url.parameter("sslrootcert") == "system":
        what = "sslrootcert=system is specific to libpq"
        found.append(f"{what}; node-postgres looks for a file of that name and fails.")
    if url.parameter("ssl") == "false" and mode is None:
        found.append("node-postgres reads ssl=false as a true value: write sslmode=disable.")
    elif node.checks != libpq.checks and node.encrypts == "always":
        given = f"sslmode={mode}" if mode else "these TLS parameters"
        found.append(
            f"With {given} node-postgres checks {node.checks}, libpq checks {libpq.checks}: "
            "the probe can pass where the app fails (write sslmode=verify-full, "
            "or uselibpqcompat=true&sslmode=require: both read these the same way)."
        )
    elif node is PLAIN and mode is None and not url.is_local:
        node_does = "node-postgres does not encrypt, and fails if the server requires it"
        found.append(f"Without sslmode {node_does}; libpq would encrypt by default.")
    return tuple(found)
