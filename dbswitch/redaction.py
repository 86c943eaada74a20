"""Replace secrets in text that others wrote: every known value of the project's targets, then what looks like a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

MASK = "***"


def printable(text: str) -> str:
    """Return text of another program with `?` for each control character, line ends included: it must not steer the terminal."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


# Every pattern takes time linear in the text: a log line may be 64 KiB of one word. So a pattern that begins with
# a repeat has a look-behind: it may only match from the start of a run of these characters.
_UP_TO_LAST_AT = r"(?<![^\s\"'`<>])[^\s\"'`<>]*@"
# Applied to a match of _UP_TO_LAST_AT only, so every URL but http(s) matches up to the last @ of a run without blanks or
# quotes: a password may itself hold an unencoded @, / or :.
# In http(s) a / or ? ends the host: a path may hold an @ (`/css2?family=Geist:wght@100..900`, `/@vite/client`).
_CREDENTIALS = (
    r"(?<![A-Za-z0-9+.-])(?P<scheme>[0-9+.-]*[A-Za-z][A-Za-z0-9+.-]*://)"
    r"(?:(?<!(?i:http)://)(?<!(?i:https)://)[^\s\"'`<>]*|[^\s\"'`<>/?#]*)@"
)
_AUTHORIZATION = (
    r"(?i)(?P<head>\b(?:proxy-)?authorization[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic|digest|token|apikey|negotiate)\s+)?)"
    r"[^\s\"',;]+"
)
_BEARER = r"(?i)(?P<head>\bbearer\s+)[A-Za-z0-9._~+/=-]{6,}"
# The end of a name: what stands before it (`PG`, `api_`, `x-dbswitch-`) makes no difference.
_NAMED = (
    r"(?i)(?P<name>pass(?:word|wd|phrase)?|pwd|secret|token|key)"
    r"(?P<sep>\\?[\"']?\s*[=:]\s*)"
    r"(?:\\?\"(?:[^\"\\]|\\.)*\\?\"|'[^']*'|[^\s&,;)}\]\"']+)"
)
_URL_PASSWORD = re.compile(r"^[A-Za-z][\w+.-]*://[^:/?#@]*:(?P<password>[^/?#]*)@")
# Values that say nothing, and that a log is full of.
_PLAIN = (
    r"(?i)\d{1,5}|true|false|yes|no|on|off|null|none|local|localhost|127\.0\.0\.1|development|production|staging|test|public"
    r"|require|disable|prefer|https?://(?:localhost|127\.0\.0\.1)(?::\d{1,5})?/?"
)
_SHORTEST = 4

_known: set[str] = set()


class HiddenValues(dict[str, str]):
    """A dict whose repr gives the keys and hides the values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self)})"


class SecretValues(HiddenValues):
    """Variables of a target. From then on the values are redacted in foreign text, such as the end of a server's log."""

    __slots__ = ()

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        remember(values.values())


def remember(values: Iterable[str]) -> None:
    """Take note of secret values; their parts and spellings are found as well."""
    _known.update(values)


def redact(text: str) -> str:
    """Return `text` with every known value, and whatever looks like a secret, replaced."""
    if _known:
        text = _exact(frozenset(_known)).sub(MASK, text)
    text = _without_credentials(text)
    text = re.sub(_AUTHORIZATION, rf"\g<head>{MASK}", text)
    text = re.sub(_BEARER, rf"\g<head>{MASK}", text)
    return re.sub(_NAMED, rf"\g<name>\g<sep>{MASK}", text)


def redact_values(text: str, values: frozenset[str]) -> str:
    """Return `text` without these values and without the password of any URL; everything else stays as it is."""
    return _without_credentials(_exact(values).sub(MASK, text))


def _without_credentials(text: str) -> str:
    return re.sub(_UP_TO_LAST_AT, lambda run: re.sub(_CREDENTIALS, rf"\g<scheme>{MASK}@", run[0]), text)


@lru_cache(maxsize=2)
def _exact(values: frozenset[str]) -> re.Pattern[str]:
    words = {spelling for value in values for part in _parts(value) for spelling in _spellings(part)}
    # The longest first: a part of a value must not leave the rest of it behind. `(?!)` matches nothing.
    return re.compile("|".join(whole_word(word) for word in sorted(words, key=len, reverse=True)) or r"(?!)")


def _parts(value: str) -> set[str]:
    parts = {value}
    if (found := _URL_PASSWORD.match(value)) is not None:
        parts.add(found["password"])
    return parts


def _spellings(part: str) -> set[str]:
    decoded = unquote(part)
    every = {part, decoded, quote(decoded, safe=""), json.dumps(decoded)[1:-1]}
    return {one for one in every if len(one) >= _SHORTEST and re.fullmatch(_PLAIN, one) is None}


def whole_word(word: str) -> str:
    """Return a pattern that does not match inside a longer word: a password may be a common one."""
    before = r"(?<![A-Za-z0-9])" if word[0].isalnum() else ""
    # A URL's scheme stays: the patterns after this need it, and `postgres` is a common password.
    after = r"(?![A-Za-z0-9]|://)" if word[-1].isalnum() else ""
    return before + re.escape(word) + after
