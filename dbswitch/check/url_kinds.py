"""Classify hosts, passwords and whole URLs: local, inside a network, shared, made up or real. Pure.

A hook with false positives gets removed: when in doubt, a URL is made up in tests and documentation and real elsewhere.
"""

from __future__ import annotations

import math
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
    r"(?:^|[.-])(?:your|my-?(?:host|server|db|database)|hostname|placeholder|xxx|project-?ref|abcdef|cool-(?:darkness|sound|base)-(?:1234|a1b2c3))"
    r"|(?:^|[.-])(?:foo|bar|acme)[0-9]*(?:[.-]|$)|^ep-(?:x+|example)|your-|your(?:host|db|domain|company|project)"
    r"|^(?:db|host|server|some)\.(?:host|server|com|example)$|(?:^|[.-])(?:domain\.(?:com|tld)|company\.(?:com|tld)|host\.(?:com|tld|domain))$",
    re.IGNORECASE,
)
_SHARED = re.compile(
    r"\.pooler\.supabase\.com$|^(?:db|accelerate|pooled\.db)\.prisma\.io$|^db\.prisma-data\.net$"
)
_MADE_UP = """
password passwd pass pwd passw0rd pw secret secrets changeme changeit postgres postgresql admin root user
username test testing tests tester example sample demo dummy fake foo bar baz qux mypassword yourpassword
password1 password123 123 1234 12345 123456 12345678 123456789 letmein s3cret s3cr3t hunter2 prisma dev
local app docker db mysecretpassword supersecret supersecretpassword randompassword janedoe johndoe
correcthorsebatterystaple qwerty abc abc123 token value string redacted hidden masked removed none null
undefined todo tbd placeholder p pw1 u x y z myuser mydb dbpassword dbpass dbuser owner guest default build
ci prod production staging development
"""
_WORDS = frozenset(_MADE_UP.split())
_PARTS = re.compile(
    r"your|\bmy[-_]|placeholder|example|changeme|change[-_]me|replace|insert|redacted|password|passwd|(?<![A-Za-z0-9])xxx|xxxx|\*\*\*|\.\.\.|…|dummy|fake",
    re.IGNORECASE,
)
_GENERATED_LENGTH = 12
_GENERATED_ENTROPY = 3.0  # bits for each character; English words stay below it, random text of 12 above


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


def is_placeholder(text: str) -> bool:
    """Return whether a password, user or token is plainly made up."""
    if not text or is_template(text) or _PARTS.search(text) is not None:
        return True
    plain = re.sub(r"[^a-z0-9]", "", text.lower())
    return plain in _WORDS or len(set(plain)) <= 2


def looks_generated(password: str) -> bool:
    """Return whether a machine made this password: long, mixed, and without the pattern of words."""
    if len(password) < _GENERATED_LENGTH or is_placeholder(password):
        return False
    kinds = sum(re.search(kind, password) is not None for kind in (r"[a-z]", r"[A-Z]", r"[0-9]"))
    shares = [password.count(character) / len(password) for character in set(password)]
    entropy = -sum(share * math.log2(share) for share in shares)  # Shannon's, in bits for each character
    return kinds >= 2 and entropy >= _GENERATED_ENTROPY


def is_real_url(password: str, host: str, user: str, *, test_or_docs: bool) -> bool:
    """Return whether a URL with these parts, password and user decoded, has a real password."""
    if is_placeholder(password) or is_local_host(host) or is_made_up_host(host) or is_template(user):
        return False
    if is_private_host(host):
        return not test_or_docs and looks_generated(password)
    return looks_generated(password) if test_or_docs else True
