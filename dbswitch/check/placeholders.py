"""Telling made-up passwords and URLs from real ones. Pure.

A hook with false positives gets removed: when in doubt, a URL is made up in tests and documentation and real elsewhere.
"""

from __future__ import annotations

import math
import re

from dbswitch.check.host_kinds import is_local_host, is_made_up_host, is_private_host, is_template

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
