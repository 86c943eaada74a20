"""Take secrets out of text that was not written by us: exception messages and tracebacks. Pure.

It is the last net, for the log of bugs only; everything dbswitch says on purpose is masked where it is made.
"""

from __future__ import annotations

import re

MASK = "***"
# Up to the last @ of a run without blanks or quotes: a password may itself hold an unencoded @, / or :.
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'`<>]*@")
_NAMED = re.compile(
    r"(?P<name>(?:[A-Za-z0-9_]*_)?(?:pass(?:word|wd)?|pwd|secret|token|api_?key|sslpassword|key))"
    r"(?P<sep>[\"']?\s*[=:]\s*)"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s&,;)}\]\"']+)",
    re.IGNORECASE,
)


def mask_secrets(text: str) -> str:
    """Return `text` with the credentials of every URL and the values of secret-looking names replaced."""
    masked = _CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text)
    return _NAMED.sub(rf"\g<name>\g<sep>{MASK}", masked)
