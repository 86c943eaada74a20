"""An env file as a lossless document: what is bound where, and edits that change those bytes only.

Every edit is re-read by the models of all readers before it is returned (`edit_check.py`); one that a reader would take
differently is refused, never written approximately.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from dbswitch.envfiles import dotenv_syntax, edit_check, quoting
from dbswitch.envfiles.edit_check import Readings
from dbswitch.envfiles.quoting import Quote
from dbswitch.envfiles.shell import is_name
from dbswitch.errors import EnvFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbswitch.envfiles.dotenv_syntax import Site

PARKED = "dbswitch:parked"
KEPT = "dbswitch:kept"
_OTHERS = "with the commented lines back, a reader would take another variable differently"
_BOM = "\ufeff"
_LINE = re.compile("[^\n\r\u2028\u2029]*(?:\r\n|[\n\r\u2028\u2029]|\\Z)")
_REST = re.compile("[^\n\r\u2028\u2029]*")
_TIGHT_TAIL = re.compile(r"#[^\s\u2028\u2029]*(?=[ \t]*(?:#|[\n\r]|\Z))")
_LAST_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Binding:
    """One `KEY=value` of a file.

    Attributes:
        key: the variable.
        value: what Node's dotenv reads, before any expansion.
        line: 1-based line of the key.
        span: the value with its quotes, as offsets into the decoded text.
        exported: whether `export` stands before it.
        quote: how the value is quoted.
    """

    key: str
    value: str = field(repr=False)
    line: int
    span: tuple[int, int]
    exported: bool
    quote: Quote


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
        # surrogateescape gives every byte that is not UTF-8 a character of its own, and the byte back.
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
        """Every binding that Node's dotenv sees, in order."""
        found = []
        line, counted = 1, 0
        for site in self.readings.sites:
            line += len(_LAST_END.findall(self._text, counted, site.start))
            counted = site.start
            written = self._text[site.value_start : site.value_end]
            value = (
                dotenv_syntax.value_of(written).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            )
            span = (site.value_start, site.value_end)
            found.append(Binding(site.key, value, line, span, site.exported, _quote_of(written)))
        return tuple(found)

    @property
    def keys(self) -> frozenset[str]:
        """Every variable some reader gets from the file: dotenv, python-dotenv or the shell."""
        return frozenset({*self.readings.dotenv, *self.readings.python, *self.readings.shell.values})

    @property
    def parked_keys(self) -> tuple[str, ...]:
        """The variables that are parked in the file, in order."""
        return tuple(key for key, _, _, _ in self._parked())

    def get(self, key: str) -> str | None:
        """Return what dotenv reads for `key` (the last duplicate), or None where it is not bound."""
        values = [binding.value for binding in self.bindings if binding.key == key]
        return values[-1] if values else None

    def notice(self, key: str) -> str:
        """Return why the shell does not get `key` as the other readers do, or "" if it does."""
        return edit_check.shell_notice(self.readings, key)

    def set(self, key: str, value: str) -> Document:
        """Return the document with every binding of `key` set to `value`; a key that is not bound is appended.

        Only the bytes of the values change. A comment that began right behind a value gets a space before it, since the
        shell and python-dotenv take it into the value otherwise.

        Raises:
            EnvFileError: the readers would not all get `value`, or would get another variable differently.
        """
        self._check_editable(key)
        sites = [site for site in self.readings.sites if site.key == key]
        if not sites:
            return self.append(key, value)
        quoting.written_form(value, key=key)
        spans = []
        for site in sites:
            if any(end in self._text[site.start : site.value_start] for end in dotenv_syntax.LINE_ENDS):
                raise self._refusal(key, site.start, "its value is on another line than its name")
            if edit_check.is_open(site, self._text[site.value_start : site.value_end]):
                raise self._refusal(
                    key, site.start, "its quote is not closed, so the readers disagree where it ends"
                )
            # An unquoted value that runs into `#` is cut short by Node and read whole by the others: it is all value.
            tail = _TIGHT_TAIL.match(self._text, site.value_end) if not site.quoted else None
            end = tail.end() if tail and site.value_end > site.value_start else site.value_end
            spans.append((site.value_start, end))
        if self._already(key, value):
            return self
        why = ""
        for rank in range(3):
            edited = self._splice(
                (
                    start,
                    end,
                    _form(value, self._text[start:end], rank)
                    + (" " if self._text[end : end + 1] == "#" else ""),
                )
                for start, end in spans
            )
            found = edit_check.problem(self.readings, edited.readings, key, value)
            if not found:
                return edited
            why = why or found
        raise self._refusal(key, sites[-1].start, why)

    def append(self, key: str, value: str, comment: str | None = None) -> Document:
        """Return the document with `KEY="value"` as a new last line, `comment` on a line before it.

        Raises:
            EnvFileError: the readers would not all get `value`, or would get another variable differently.
        """
        self._check_editable(key)
        text = self._text
        ends = _LAST_END.findall(text)
        end = ends[-1] if ends else "\n"
        added = "" if not text or text == _BOM or text.endswith(("\n", "\r")) else end
        if comment is not None:
            added += f"# {' '.join(comment.split())}{end}"
        added += f"{key}={quoting.written_form(value, key=key)}{end}"
        edited = Document(text + added, self.name)
        if why := edit_check.problem(self.readings, edited.readings, key, value):
            raise self._refusal(key, len(text), why)
        return edited

    def park(self, key: str, marker: str = PARKED) -> Document:
        """Return the document with every binding of `key` commented out behind `marker`; :meth:`unpark` undoes it.

        Raises:
            EnvFileError: `key` is not bound, or some reader would still see it, or another variable differently.
        """
        self._check_editable(key)
        sites = [site for site in self.readings.sites if site.key == key]
        splices = []
        for site in sites:
            start, end = self._lines_of(site)
            splices.append((start, end, _commented(self._text[start:end], marker)))
        edited = self._splice(splices)
        why = edit_check.problem(self.readings, edited.readings, key, None)
        if why or not sites:
            raise self._refusal(key, sites[-1].start if sites else 0, why or "it is not bound here")
        return edited

    def unpark(self, key: str, marker: str = PARKED) -> Document | None:
        """Return the document with the parked bindings of `key` back as they were, or None where there are none.

        Raises:
            EnvFileError: bringing it back would make a reader see another variable differently.
        """
        found = [(start, end, text) for parked, start, end, text in self._parked(marker) if parked == key]
        if not found:
            return None
        edited = self._splice(found)
        if not edit_check.others_unchanged(self.readings, edited.readings, key):
            raise self._refusal(key, found[0][0], _OTHERS)
        return edited

    def keep(self, key: str) -> Document:
        """Return the document with a commented copy of what binds `key` now before it; :meth:`restore` undoes both.

        Raises:
            EnvFileError: `key` is not bound in a way that can be copied, or a reader would take the copy for a binding.
        """
        self._check_editable(key)
        sites = [site for site in self.readings.sites if site.key == key]
        if not sites:
            raise self._refusal(key, 0, "it is not bound here")
        start, end = self._lines_of(sites[-1])
        if any(text.rstrip("\r\n") == self._text[start:end] for text in self._blocks(key, KEPT)):
            return self
        following = _LAST_END.match(self._text, end) or _LAST_END.search(self._text)
        copy = _commented(self._text[start:end], KEPT) + (following[0] if following else "\n")
        edited = self._splice([(start, start, copy)])
        if not edit_check.unchanged(self.readings, edited.readings):
            raise self._refusal(key, sites[-1].start, "a copy of it above it would be read as a binding")
        return edited

    def restore(self, key: str) -> Document | None:
        """Return the document with the last kept copy in the place of the binding, or None where there is no copy.

        Raises:
            EnvFileError: the copy would make a reader see another variable differently.
        """
        kept = [(start, end, text) for found, start, end, text in self._parked(KEPT) if found == key]
        sites = [site for site in self.readings.sites if site.key == key]
        if not kept or not sites:
            return None
        start, end, text = kept[-1]
        first, last = self._lines_of(sites[-1])
        edited = self._splice(sorted([(start, end, ""), (first, last, text.rstrip("\r\n"))]))
        # A person's own lines come back however few readers agree on them: only the others' values are compared.
        if not edit_check.others_unchanged(self.readings, edited.readings, key):
            raise self._refusal(key, sites[-1].start, _OTHERS)
        return edited

    def _blocks(self, key: str, marker: str) -> list[str]:
        return [text for found, _, _, text in self._parked(marker) if found == key]

    def _lines_of(self, site: Site) -> tuple[int, int]:
        """Return where the lines of a binding begin and end, without the last line end."""
        self._check_closed(site)
        before = max((self._text.rfind(end, 0, site.start) for end in dotenv_syntax.LINE_ENDS), default=-1)
        start = max(before + 1, 1 if self._text.startswith(_BOM) else 0)
        rest = _REST.match(self._text, max(site.value_end, site.after_sign))
        return start, rest.end() if rest else site.value_end

    def _parked(self, marker: str = PARKED) -> list[tuple[str, int, int, str]]:
        """Return key, start, end and the text to put back of every parked binding."""
        found: list[tuple[str, int, int, str]] = []
        first, more = f"# {marker} ", f"# {marker}+ "
        position = 1 if self._text.startswith(_BOM) else 0
        while (position := self._text.find(first, position)) >= 0:
            start = position
            position += len(first)
            if start and self._text[start - 1] not in f"{dotenv_syntax.LINE_ENDS}{_BOM}":
                continue
            pieces, prefix = [], first
            end = start
            while self._text.startswith(prefix, end) and (line := _LINE.match(self._text, end)):
                pieces.append(line[0].removeprefix(prefix))
                end, prefix = line.end(), more
            text = "".join(pieces)
            sites = dotenv_syntax.find_sites(text)
            if sites:
                found.append((sites[0].key, start, end, text))
            position = max(position, end)
        return found

    def _already(self, key: str, value: str) -> bool:
        every = all(binding.value == value for binding in self.bindings if binding.key == key)
        return every and not edit_check.problem(self.readings, self.readings, key, value)

    def _splice(self, splices: Iterable[tuple[int, int, str]]) -> Document:
        """Return the document with each (start, end) replaced; the spans are in order and apart."""
        pieces: list[str] = []
        position = 0
        for start, end, text in splices:
            pieces += (self._text[position:start], text)
            position = end
        return Document("".join(pieces) + self._text[position:], self.name)

    def _check_closed(self, site: Site) -> None:
        if edit_check.is_open(site, self._text[site.value_start : site.value_end]):
            why = "its quote is not closed, so the readers disagree where it ends"
            raise self._refusal(site.key, site.start, why)

    def _check_editable(self, key: str) -> None:
        if not is_name(key):
            raise EnvFileError(f"{key!r} is not a name that every reader takes for a variable.")
        if "\0" in self._text:
            raise EnvFileError(
                f"{self.name} holds NUL bytes and is not edited.",
                facts=("an editor or shell may have saved it as UTF-16",)
                if self._text.count("\0") > 1
                else (),
                why="Readers cut such a file short, each in its own place.",
                fix=f"Save {self.name} as UTF-8.",
            )

    def _refusal(self, key: str, offset: int, why: str) -> EnvFileError:
        line = self.readings.line_of(offset)
        return EnvFileError(
            f"{key} cannot be edited safely in {self.name}.",
            facts=(f"line {line}: {why}",) if why else (f"line {line}",),
            why="A value that readers see differently would put them on different databases.",
            fix=f'Write it as {key}="..." on a line of its own in {self.name}, and close every quote above it.',
        )


def _commented(text: str, marker: str) -> str:
    lines = [line for line in _LINE.findall(text) if line]
    return f"# {marker} " + f"# {marker}+ ".join(lines)


def _quote_of(written: str) -> Quote:
    return Quote(written[0]) if written[:1] in {'"', "'", "`"} else Quote.NONE


def _form(value: str, written: str, rank: int) -> str:
    found = quoting.forms(value, _quote_of(written))
    return found[min(rank, len(found) - 1)]
