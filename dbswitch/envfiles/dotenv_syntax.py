"""Where Node's dotenv finds bindings in a text, with exact spans. Source: `LINE` and `parse` of npm `dotenv` 16 and 17.

It is one expression run over the whole text, not line by line, so that a quoted value may span lines, `K=` takes a quoted
value from the next line, and `K: v` is a binding. `@next/env` carries a copy.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

JS_SPACE = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What `\\s` and `trim()` mean in JavaScript (ECMAScript: WhiteSpace and LineTerminator)."""

LINE_ENDS = "\n\r\u2028\u2029"
"""Where `^`, `$` and `.` of a JavaScript expression stop."""

# Bare CR never survives into the normalised text, so the terminators below leave it out.
_S = f"[{JS_SPACE}]"
_EOL = "(?![^\n\u2028\u2029])"
_BOL = "(?<![^\n\u2028\u2029])"
_BODY = re.compile(
    rf"(?:export{_S}+)?(?P<key>[A-Za-z0-9_.-]+)(?:{_S}*=(?P<equals>){_S}*?|:{_S}+?)"
    rf"(?P<value>(?P<quoted>{_S}*'(?:\\'|[^'])*'|{_S}*\"(?:\\\"|[^\"])*\"|{_S}*`(?:\\`|[^`])*`)|[^#\r\n]+)?"
    rf"{_S}*(?:#[^\n\u2028\u2029]*)?{_EOL}"
)
_SPACES = re.compile(f"{_S}*")
_LINE_END = re.compile("[\n\u2028\u2029]")
_UNQUOTE = re.compile(rf"{_BOL}(['\"`])([\s\S]*)\1{_EOL}")


class Site(Struct, frozen=True):
    """One binding as the expression matches it; offsets count characters of the text that was searched."""

    key: str
    start: int
    after_sign: int  # just after `=`, or after `:` and its first space
    value_start: int  # of the trimmed value with its quotes
    value_end: int  # `value_start` if there is no value
    quoted: bool  # one of the three quoted forms matched, not just a line that begins with a quote


def has_open_quote(written: str) -> bool:
    """Return whether a value that matched no quoted form begins with a quote that is not closed."""
    return written[:1] in {'"', "'", "`"} and written.count(written[0]) % 2 == 1


@lru_cache(maxsize=16)  # one command asks some hundred times about the same few files
def find_sites(text: str) -> tuple[Site, ...]:
    """Return every binding in `text`, in order, with offsets into `text` itself (CRLF and bare CR included)."""
    pairs = [m.start() for m in re.finditer("\r\n", text)]
    sites = tuple(_sites(re.sub("\r\n?", "\n", text) if "\r" in text else text))
    if not pairs:
        return sites
    # Each CRLF before an offset costs one character; entry i is where pair i's LF stands in the normalised text.
    lost = [position - index for index, position in enumerate(pairs)]

    def back(offset: int) -> int:
        return offset + bisect_right(lost, offset - 1)

    return tuple(
        Site(s.key, back(s.start), back(s.after_sign), back(s.value_start), back(s.value_end), s.quoted)
        for s in sites
    )


def _sites(text: str) -> Iterator[Site]:
    position, size = 0, len(text)
    while position <= size:
        if position and text[position - 1] not in LINE_ENDS:
            end = _LINE_END.search(text, position)
            if end is None:
                return
            position = end.end()
        # Every line start within this white space leads to the same first character, so one attempt is enough.
        spaces = _SPACES.match(text, position)
        first = spaces.end() if spaces else position
        found = _BODY.match(text, first)
        if found is None:
            end = _LINE_END.search(text, first)
            if end is None:
                return
            position = end.end()
            continue
        position = found.end()
        after_sign = found.end("equals") if found["equals"] is not None else found.end("key") + 2
        raw = found["value"]
        if raw is None or not raw.strip(JS_SPACE):
            start = stop = after_sign
        else:
            start = found.start("value") + len(raw) - len(raw.lstrip(JS_SPACE))
            stop = start + len(raw.strip(JS_SPACE))
        yield Site(found["key"], found.start(), after_sign, start, stop, found["quoted"] is not None)


def value_of(written: str) -> str:
    """Return what dotenv makes of a trimmed value with its quotes."""
    text = re.sub("\r\n?", "\n", written) if "\r" in written else written
    value = _UNQUOTE.sub(r"\2", text)
    if text.startswith('"'):
        value = value.replace("\\n", "\n").replace("\\r", "\r")
    return value


def parse(text: str) -> dict[str, str]:
    """Return what dotenv's `parse` returns: the last duplicate wins, at the place of the first."""
    values = {site.key: value_of(text[site.value_start : site.value_end]) for site in find_sites(text)}
    # Assigning a string to this property of a JavaScript object does nothing.
    values.pop("__proto__", None)
    return values
