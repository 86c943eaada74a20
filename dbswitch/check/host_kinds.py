"""Classify a host name: this machine, a private network, a shared pooler, or made up. Pure."""

from __future__ import annotations

import re

# A variable or a template in place of the text. A `$` or `<` inside a generated password is neither.
_SYNTAX = re.compile(
    r"\$\{|\$\(|\{\{|#\{|%s|%\(|^<.*>$|^\{.*\}$|^\[.*\]$|^\$\w+$|^%\w+%$|^@\w+@?$|^[A-Z]+[0-9]?(?:_[A-Z0-9]+)*$"
)
_LOCAL = re.compile(
    r"localhost|127(?:\.\d{1,3}){3}|\[?::1\]?|0\.0\.0\.0|host\.docker\.internal|.*\.localhost", re.IGNORECASE
)
# RFC 6761, 6762, 8375 and custom: names inside some network. Made up in most places, but `postgres.railway.internal` is not.
_PRIVATE = re.compile(r"(?:.*\.)?(?:local|localdomain|internal|lan|home\.arpa|test)", re.IGNORECASE)
# RFC 2606, 6761, 5737 and 3849: reserved names and addresses.
_RESERVED = re.compile(
    r"(?:^|.*\.)(?:example|test|invalid)|(?:.*\.)?example\.(?:com|net|org|edu|io|dev|app)"
    r"|192\.0\.2\.\d+|198\.51\.100\.\d+|203\.0\.113\.\d+|1\.2\.3\.4|\[?2001:db8:.*",
    re.IGNORECASE,
)
_MADE_UP_HOST = re.compile(
    r"(?:^|[.-])(?:your|my-?(?:host|server|db|database)|hostname|placeholder|xxx|project-?ref|abcdef|cool-(?:darkness|sound|base))"
    r"|(?:^|[.-])(?:foo|bar|acme)[0-9]*(?:[.-]|$)|^ep-(?:x+|example)|your-|your(?:host|db|domain|company|project)"
    r"|^(?:db|host|server|some)\.(?:host|server|com|example)$|(?:^|[.-])(?:domain\.(?:com|tld)|company\.(?:com|tld)|host\.(?:com|tld|domain))$",
    re.IGNORECASE,
)
_SHARED = re.compile(
    r"\.pooler\.supabase\.com$|^(?:db|accelerate|pooled\.db)\.prisma\.io$|^db\.prisma-data\.net$"
)


def is_template(text: str) -> bool:
    """Return whether a variable or a template stands in place of the text."""
    return _SYNTAX.search(text) is not None


def is_local_host(host: str) -> bool:
    """Return whether the host is this machine, or a service name of a compose file (one label, no dot)."""
    name = host.rstrip(".")
    single = "." not in name and ":" not in name
    return not name or name.startswith(("/", "%2F", "%2f")) or single or _LOCAL.fullmatch(name) is not None


def is_made_up_host(host: str) -> bool:
    """Return whether the host is reserved for documentation or plainly a placeholder."""
    return (
        is_template(host)
        or _RESERVED.fullmatch(host.rstrip(".")) is not None
        or _MADE_UP_HOST.search(host) is not None
    )


def is_private_host(host: str) -> bool:
    """Return whether the name exists only inside some network."""
    return _PRIVATE.fullmatch(host.rstrip(".")) is not None


def is_public(host: str) -> bool:
    """Return whether the host is neither this machine, nor made up, nor inside some network."""
    return not (is_local_host(host) or is_made_up_host(host) or is_private_host(host))


def is_shared_host(host: str) -> bool:
    """Return whether many customers of a provider share this host name, so that it identifies no project."""
    return _SHARED.search(host.lower()) is not None
