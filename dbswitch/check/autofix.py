"""`--fix`: the changes that are safe to make automatically: lines added to `.gitignore` and example env files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dbswitch.check.rules import Finding
from dbswitch.check.text_kinds import utf16_codec
from dbswitch.durable import read_regular, real_path_inside, replace_file
from dbswitch.errors import DbswitchError

_NEW_FILE = 0o644


def apply(findings: Sequence[Finding], root: Path) -> tuple[str, ...]:
    """Add the lines that the findings propose; return one line for each changed file. Raises DbswitchError."""
    # Files outside of `root` are left alone, and UTF-16 files, which lines in another encoding would damage.
    wanted: dict[str, list[str]] = {}
    for one in findings:
        if one.entries:
            wanted.setdefault(one.fix_path, []).extend(one.entries)
    done: list[str] = []
    for name, entries in wanted.items():
        lines = tuple(dict.fromkeys(entries))
        path = real_path_inside(root, name)
        if path is None:  # a symlink: git would not follow it, and the target is not part of the checkout
            continue
        old = read_regular(path) if path.exists() else b""
        new = with_lines(old, lines)
        if new != old and not utf16_codec(old):
            try:
                replace_file(path, new, mode=path.stat().st_mode & 0o777 if path.exists() else _NEW_FILE)
            except OSError as error:
                facts = (f"{error.filename}: {error.strerror}",)
                fix = "make the file writable"
                raise DbswitchError("a fix could not be written", facts=facts, fix=fix) from None
            done.append(f"{name}: added {', '.join(lines)}")
    return tuple(done)


def with_lines(old: bytes, entries: Sequence[str]) -> bytes:
    """Return the content with those lines added at its end that it does not have yet; line ends as it has them. Pure."""
    present = {line.strip() for line in old.split(b"\n")}
    missing = [entry.encode() for entry in entries if entry.encode() not in present]
    if not missing:
        return old
    line_end = b"\r\n" if b"\r\n" in old else b"\n"
    gap = b"" if not old or old.endswith(b"\n") else line_end
    return old + gap + line_end.join([*missing, b""])
