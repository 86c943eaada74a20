"""An env file as a lossless document: its bindings, and edits that change only their bytes."""
# Every edit is read again as each reader does before it is returned (`edit_check.py`); one that a reader would understand
# differently is refused.

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise

from msgspec import Struct

from dbswitch.envfiles import dotenv_syntax, edit_check, quoting
from dbswitch.envfiles.dotenv_syntax import Site
from dbswitch.envfiles.edit_check import Readings
from dbswitch.envfiles.quoting import Quote
from dbswitch.envfiles.shell import is_name
from dbswitch.errors import EnvFileError

PARKED = "dbswitch:parked"
KEPT = "dbswitch:kept"
_OPEN_QUOTE = "its quote is not closed, so the readers disagree on where it ends"
_OTHERS = "with the commented lines restored, a reader would read another variable differently"
_BOM = "\ufeff"
_LINE = "[^\n\r\u2028\u2029]*(?:\r\n|[\n\r\u2028\u2029]|\\Z)"
_REST = re.compile("[^\n\r\u2028\u2029]*")
_TIGHT_TAIL = re.compile(r"#[^\s\u2028\u2029]*(?=[ \t]*(?:#|[\n\r]|\Z))")
_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Binding:
    """One `KEY=value` of a file."""

    key: str
    value: str = field(repr=False)  # what Node's dotenv reads, before any expansion
    line: int  # of the key; starts at 1
    quote: Quote


class _Commented(Struct, frozen=True):
    """Lines that were commented out behind a marker: the variable they bind, their span, and the lines themselves."""

    key: str
    start: int
    end: int
    lines: str


class Document:
    """The bytes of one env file. Immutable: an edit returns a new document."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self.name = name

    def __repr__(self) -> str:
        return f"Document({self.name!r}, {len(self._text)} characters)"

    @classmethod
    @lru_cache(maxsize=16)  # every rule, target and reader parses the same few files
    def parse(cls, data: bytes, name: str = "the env file") -> Document:
        """Return the document of any bytes; `name` is used in messages."""
        # surrogateescape turns every byte that is not UTF-8 into one character, and that back into the byte.
        return cls(data.decode("utf-8", "surrogateescape"), name)

    def render(self) -> bytes:
        """Return the bytes of the document."""
        return self._text.encode("utf-8", "surrogateescape")

    @cached_property
    def readings(self) -> Readings:
        """What every reader gets from it."""
        return Readings(self._text)

    @cached_property
    def bindings(self) -> tuple[Binding, ...]:
        """Every binding that Node's dotenv finds, in order."""
        found = []
        line, counted = 1, 0
        for site in self.readings.sites:
            line += len(_LINE_END.findall(self._text, counted, site.start))
            counted = site.start
            written = self.readings.written(site)
            value = dotenv_syntax.value_of(written).encode("utf-8", "surrogateescape")
            found.append(Binding(site.key, value.decode("utf-8", "replace"), line, _quote_of(written)))
        return tuple(found)

    @property
    def keys(self) -> frozenset[str]:
        """Every variable that some reader gets from the file: dotenv, python-dotenv or the shell."""
        return frozenset({*self.readings.dotenv, *self.readings.python, *self.readings.shell.values})

    @property
    def kept_values(self) -> tuple[tuple[str, str], ...]:
        """The variables of which a value is kept as a comment, each with the last one that dotenv would read."""
        found = {one.key: Document(one.lines, self.name).get(one.key) for one in self._commented(KEPT)}
        return tuple((key, value) for key, value in found.items() if value)

    def get(self, key: str) -> str | None:
        """Return what dotenv reads for `key` (the last duplicate), or None if it is not bound."""
        return next((one.value for one in reversed(self.bindings) if one.key == key), None)

    def set(self, key: str, value: str) -> Document:
        """Return the document with every binding of `key`, or a new last line, set to `value`. Raises EnvFileError."""
        # Only the bytes of the values change. A comment that follows a value without a space gets one, since the shell and
        # python-dotenv would read it as part of the value.
        sites = self._editable_sites(key)
        if not sites:
            return self.append(key, value)
        quoting.written_form(value, key=key)
        spans = []
        for site in sites:
            self._require_closed(site)
            if any(end in self._text[site.start : site.value_start] for end in dotenv_syntax.LINE_ENDS):
                raise self._refusal(key, site.start, "its value is on another line than its name")
            # Node cuts an unquoted value off at a `#` that the others read on: all of it is the value.
            tail = _TIGHT_TAIL.match(self._text, site.value_end) if not site.quoted else None
            end = tail.end() if tail and site.value_end > site.value_start else site.value_end
            spans.append((site.value_start, end))
        already = all(binding.value == value for binding in self.bindings if binding.key == key)
        if already and not edit_check.problem(self.readings, self.readings, key, value):
            return self
        problems = []
        for rank in range(3):
            edited = self._splice((start, end, self._form(value, start, end, rank)) for start, end in spans)
            problem = edit_check.problem(self.readings, edited.readings, key, value)
            if not problem:
                return edited
            problems.append(problem)
        raise self._refusal(key, sites[-1].start, problems[0])

    def append(self, key: str, value: str) -> Document:
        """Return the document with `KEY="value"` as a new last line. Raises EnvFileError."""
        self._editable_sites(key)
        text = self._text
        ends = _LINE_END.findall(text)
        end = ends[-1] if ends else "\n"
        added = "" if not text or text == _BOM or text.endswith(("\n", "\r")) else end
        edited = Document(f"{text}{added}{key}={quoting.written_form(value, key=key)}{end}", self.name)
        if problem := edit_check.problem(self.readings, edited.readings, key, value):
            raise self._refusal(key, len(text), problem)
        return edited

    def park(self, key: str) -> Document:
        """Return the document with every binding of `key` commented out; :meth:`unpark` undoes it. Raises EnvFileError."""
        sites = self._bound_sites(key)
        spans = [self._lines_of(site) for site in sites]
        edited = self._splice((start, end, _comment(self._text[start:end], PARKED)) for start, end in spans)
        if problem := edit_check.problem(self.readings, edited.readings, key, None):
            raise self._refusal(key, sites[-1].start, problem)
        return edited

    def unpark(self, key: str) -> Document | None:
        """Return the document with the parked bindings of `key` back, or None if there are none. Raises EnvFileError."""
        parked = [one for one in self._commented(PARKED) if one.key == key]
        if not parked:
            return None
        edited = self._splice((one.start, one.end, one.lines) for one in parked)
        if not edit_check.others_unchanged(self.readings, edited.readings, key):
            raise self._refusal(key, parked[0].start, _OTHERS)
        return edited

    def keep(self, key: str, own: Callable[[str], bool] = lambda _: True) -> Document:
        """Return the document with a commented copy above each binding of `key` with an `own` value. Raises EnvFileError."""
        kept = {one.lines.rstrip("\r\n") for one in self._commented(KEPT) if one.key == key}
        splices = []
        sites = self._bound_sites(key)
        values = [binding.value for binding in self.bindings if binding.key == key]
        for site, value in zip(sites, values, strict=True):
            start, end = self._lines_of(site)
            binding = self._text[start:end]
            if binding in kept or not own(value):
                continue
            kept.add(binding)
            following = _LINE_END.match(self._text, end) or _LINE_END.search(self._text)
            splices.append((start, start, _comment(binding, KEPT) + (following[0] if following else "\n")))
        edited = self._splice(splices)
        if not edit_check.unchanged(self.readings, edited.readings):
            raise self._refusal(key, sites[-1].start, "a copy of it above it would be read as a binding")
        return edited

    def restore(self, key: str) -> Document | None:
        """Return the document with each kept copy in the place of the binding below it, None without one. Raises EnvFileError."""
        # The last binding, which readers get, is replaced in any case: by the last copy if none is directly above it.
        kept = [one for one in self._commented(KEPT) if one.key == key]
        sites = [site for site in self.readings.sites if site.key == key]
        if not kept or not sites:
            return None
        starts = [0, *(site.start for site in sites)]
        between = [[one for one in kept if low <= one.start < high] for low, high in pairwise(starts)]
        copies = [(site, copy[-1]) for site, copy in zip(sites, between, strict=True) if copy]
        splices = []
        for site, copy in copies if between[-1] else [(sites[-1], kept[-1])]:
            start, end = self._lines_of(site)
            splices += [(copy.start, copy.end, ""), (start, end, copy.lines.rstrip("\r\n"))]
        edited = self._splice(sorted(splices))
        # The user's own lines come back even if the readers disagree on them: only the other variables are compared.
        if not edit_check.others_unchanged(self.readings, edited.readings, key):
            raise self._refusal(key, sites[-1].start, _OTHERS)
        return edited

    def without_notes(self) -> Document:
        """Return the document without kept copies; what is parked becomes an ordinary comment. Raises EnvFileError."""
        splices = [(one.start, one.end, "") for one in self._commented(KEPT)]
        for one in self._commented(PARKED):
            plain = "".join(f"# {line}" for line in re.findall(_LINE, one.lines) if line)
            splices.append((one.start, one.end, plain))
        edited = self._splice(sorted(splices))
        if not edit_check.unchanged(self.readings, edited.readings):
            raise self._refusal("A variable", 0, "it would be read differently without dbswitch's comments")
        return edited

    def _editable_sites(self, key: str) -> list[Site]:
        """Return where `key` is bound. Raises EnvFileError."""
        if not is_name(key):
            raise EnvFileError(f"{key!r} is not a variable name that every reader accepts")
        if "\0" in self._text:
            # A single NUL byte is no sign of UTF-16, which has one for every ASCII character.
            utf16 = self._text.count("\0") > 1
            raise EnvFileError(
                f"{self.name} contains NUL bytes and cannot be edited",
                facts=("an editor or shell may have saved it as UTF-16",) if utf16 else (),
                why="each reader stops at a different place in such a file",
                fix=f"save {self.name} as UTF-8",
            )
        return [site for site in self.readings.sites if site.key == key]

    def _bound_sites(self, key: str) -> list[Site]:
        sites = self._editable_sites(key)
        if not sites:
            raise self._refusal(key, 0, "it is not bound here")
        return sites

    def _lines_of(self, site: Site) -> tuple[int, int]:
        """Return where the lines of a binding begin and end, without the last line end."""
        self._require_closed(site)
        before = max((self._text.rfind(end, 0, site.start) for end in dotenv_syntax.LINE_ENDS), default=-1)
        start = max(before + 1, 1 if self._text.startswith(_BOM) else 0)
        rest = _REST.match(self._text, max(site.value_end, site.after_sign))
        return start, rest.end() if rest else site.value_end

    def _commented(self, marker: str) -> list[_Commented]:
        """Return what is commented out behind `marker`, in order."""
        found: list[_Commented] = []
        first, more = f"# {marker} ", f"# {marker}+ "
        position = 1 if self._text.startswith(_BOM) else 0
        while (position := self._text.find(first, position)) >= 0:
            start = position
            position += len(first)
            if start and self._text[start - 1] not in f"{dotenv_syntax.LINE_ENDS}{_BOM}":
                continue
            lines, prefix = [], first
            end = start
            while self._text.startswith(prefix, end) and (line := re.compile(_LINE).match(self._text, end)):
                lines.append(line[0].removeprefix(prefix))
                end, prefix = line.end(), more
            text = "".join(lines)
            if sites := dotenv_syntax.find_sites(text):
                found.append(_Commented(sites[0].key, start, end, text))
            position = max(position, end)
        return found

    def _form(self, value: str, start: int, end: int, rank: int) -> str:
        """Return what replaces the value between `start` and `end`: the form that is the `rank`-th most like it."""
        found = quoting.forms(value, _quote_of(self._text[start:end]))
        return found[min(rank, len(found) - 1)] + (" " if self._text[end : end + 1] == "#" else "")

    def _splice(self, splices: Iterable[tuple[int, int, str]]) -> Document:
        """Return the document with each (start, end) replaced; the spans are in order and do not overlap."""
        pieces: list[str] = []
        position = 0
        for start, end, text in splices:
            pieces += (self._text[position:start], text)
            position = end
        return Document("".join(pieces) + self._text[position:], self.name)

    def _require_closed(self, site: Site) -> None:
        if self.readings.is_open(site):
            raise self._refusal(site.key, site.start, _OPEN_QUOTE)

    def _refusal(self, key: str, offset: int, why: str) -> EnvFileError:
        return EnvFileError(
            f"{key} cannot be edited safely in {self.name}",
            facts=(f"line {self.readings.line_of(offset)}: {why}",),
            why="if the readers got different values, they would use different databases",
            fix=f'write it as {key}="..." on a separate line in {self.name}, and close every quote above it',
        )


def _comment(text: str, marker: str) -> str:
    lines = [line for line in re.findall(_LINE, text) if line]
    return f"# {marker} " + f"# {marker}+ ".join(lines)


def _quote_of(written: str) -> Quote:
    return Quote(written[0]) if written[:1] in {'"', "'", "`"} else Quote.NONE
