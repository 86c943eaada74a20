"""Passwords that some reader of quotes, escapes, comments or URLs takes for something else."""

from __future__ import annotations

PASSWORDS = (
    "it's", "''", "'", "'quoted'", "a'b'c", "ends with '", "''' three", "a''b", "\\'", "'\\",
    '"', '"double"', 'a"b', "`tick`", "\\", "\\\\", "\\n", "c:\\temp\\x", "$HOME", "${X}",
    "$(id)", "a b", " leading", "trailing ", "  two  ", "tab\there", "#comment", "a #b", ";comment", "a;b",
    "a=b", "host=evil", "x host=evil port=1", "' host=evil '", "%include /etc/passwd", "[section]", "]", "%40", "a@b:c/d?e=f&g", "100%",
    "pässwörd", "漢字", "😀", "ñ ' ñ", "\x01control", "~tilde", "{json: 'x'}", "<xml/>&amp;", "a,b,c", "x" * 200,
)  # fmt: skip
assert len(set(PASSWORDS)) == 50
