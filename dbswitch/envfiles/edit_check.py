"""Whether an edit did what was asked, and nothing else, for every reader: checked before anything is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from dbswitch.envfiles import dotenv_syntax, readers, shell
from dbswitch.envfiles.dotenv_syntax import Site
from dbswitch.envfiles.shell import ShellReading, StopReason


@dataclass(frozen=True)
class Readings:
    """What every reader gets from one text; each is computed when it is first asked for."""

    text: str

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Where Node's dotenv finds bindings."""
        return dotenv_syntax.find_sites(self.text)

    @cached_property
    def dotenv(self) -> dict[str, str]:
        """What dotenv reads."""
        return dotenv_syntax.parse(self.text)

    @cached_property
    def python(self) -> dict[str, str]:
        """What python-dotenv reads, before interpolation."""
        return readers.python_dotenv_raw(self.text.encode("utf-8", "surrogateescape"))

    @cached_property
    def shell(self) -> ShellReading:
        """What bash reads."""
        return shell.source(self.text)

    def written(self, site: Site) -> str:
        """Return the value of a binding as it is written, with its quotes."""
        return self.text[site.value_start : site.value_end]

    def is_open(self, site: Site) -> bool:
        """Return whether a value begins with a quote that is not closed on its line."""
        return not site.quoted and dotenv_syntax.has_open_quote(self.written(site))

    def line_of(self, offset: int) -> int:
        """Return the 1-based line of `offset`; CRLF, LF and bare CR each end one line."""
        before = self.text[:offset]
        return before.count("\n") + before.count("\r") - before.count("\r\n") + 1

    def open_quote(self, key: str) -> int | None:
        """Return the line of a quote before the last binding of `key` that some reader takes for open."""
        last = max((s.start for s in self.sites if s.key == key), default=len(self.text))
        stop = self.shell.stop
        if stop is None or self.text.count("\n", 0, last) + 1 < stop.line:
            return None
        # The first value that merely begins with a quote is the cause, wherever the shell noticed it.
        for site in self.sites:
            if site.start < last and self.is_open(site):
                return self.line_of(site.value_start)
        return stop.line if stop.reason is StopReason.OPEN_QUOTE else None


def problem(old: Readings, new: Readings, key: str, value: str | None) -> str:
    """Return why `new` is not `old` with `key` set to `value` (None: no longer bound), or "" if it is.

    Next.js and dotenv must read exactly that. So must python-dotenv and the shell, unless they could not read this binding
    before (`K: v`, spaces around `=`, CRLF, shell syntax earlier in the file), which editing a value cannot change.
    """
    if (line := new.open_quote(key)) is not None and value is not None:
        unclosed = f"a quote opened on line {line} is not closed before it"
        return f"{unclosed}, so the readers disagree on where it ends"
    if new.dotenv.get(key) != value:
        return "Next.js and dotenv would read another value"
    if _without(new.dotenv, key) != _without(old.dotenv, key):
        return "Next.js and dotenv would read another variable differently"
    if new.python.get(key, value if key not in old.python else None) != value:
        return "python-dotenv would read another value"
    if _without(new.python, key) != _without(old.python, key):
        return "python-dotenv would read another variable differently"
    known = new.shell.values
    # The model of the shell stopped earlier, but the shell may still reach the binding: check its lines on their own.
    separately = [] if value is None else [_shell_lines(new, site) for site in new.sites if site.key == key]
    if any(reading.stop is not None for reading in separately) or any(
        key in reading.values and (value is None or reading.values[key] not in {value, f"{value}\r"})
        for reading in (new.shell, *separately)
    ):
        return "the shell would read another value"
    if value is not None and key not in known and (line := _shell_only(new, key)):
        return f"the shell may bind it on line {line}, in a way the other readers do not see"
    lost = new.shell.stop is not None and new.shell.stop.reason is StopReason.OPEN_QUOTE
    for other, before in old.shell.values.items():
        # `b` in an unquoted `KEY=postgres://h/db?a=1&b=2` is not a variable of the file: the shell misreads KEY.
        wanted = {before, new.dotenv.get(other, key)}
        if other in new.dotenv.keys() - {key} and known.get(other, "\0" if lost else before) not in wanted:
            return "the shell would read another variable differently"
    return ""


def others_unchanged(old: Readings, new: Readings, key: str) -> bool:
    """Return whether Next.js, dotenv and python-dotenv get every variable but `key` the same from both texts."""
    pairs = ((old.dotenv, new.dotenv), (old.python, new.python))
    return all(_without(before, key) == _without(after, key) for before, after in pairs)


def unchanged(old: Readings, new: Readings) -> bool:
    """Return whether every reader gets the same values from both texts; for the shell, as far as they are known."""
    now = new.shell.values
    return (
        old.dotenv == new.dotenv
        and old.python == new.python
        and all(now.get(key, before) == before for key, before in old.shell.values.items())
    )


def _shell_only(readings: Readings, key: str) -> int:
    """Return the line of text that only a shell may take for a binding of `key`, or 0; used if reading it stopped."""
    if readings.shell.stop is None:
        return 0
    # Node's bindings of the key, and what is in quotes for Node, which is in quotes for a shell as well.
    explained = [
        (s.start, s.after_sign) if s.key == key else (s.value_start, s.value_end)
        for s in readings.sites
        if s.key == key or s.quoted
    ]
    for found in re.finditer(rf"(?<![A-Za-z0-9_]){key}\+?=", readings.text):
        line_start = readings.text.rfind("\n", 0, found.start()) + 1
        comment = re.match(r"[ \t]*#|.*[ \t]#", readings.text[line_start : found.start()])
        if not comment and not any(start <= found.start() < end for start, end in explained):
            return readings.line_of(found.start())
    return 0


def _shell_lines(readings: Readings, site: Site) -> ShellReading:
    """Return what a shell reads from the lines of one binding, without those before them."""
    start = readings.text.rfind("\n", 0, site.start) + 1
    end = readings.text.find("\n", max(site.value_end, site.after_sign))
    return shell.source(readings.text[start : None if end < 0 else end])


def shell_notice(readings: Readings, key: str) -> str:
    """Return why the shell does not get `key` as the other readers do, or "" if it does."""
    known = readings.shell.values
    if (known.get(key) or "").endswith("\r"):
        return "lines end with CRLF, and the CR becomes part of the value"
    if key in known:
        return ""
    if readings.shell.stop is not None:
        return f"line {readings.shell.stop.line} has {readings.shell.stop.reason}"
    return "the shell needs `KEY=value` at the start of a line, without a space around `=`"


def _without(values: dict[str, str], key: str) -> dict[str, str]:
    return {k: v for k, v in values.items() if k != key}
