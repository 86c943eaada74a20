"""Every file of tests/corpus is edited: it is changed in the value only, or refused for the reason it is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbswitch.envfiles import readers
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.edit_check import shell_notice
from dbswitch.errors import EnvFileError

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(path.name for path in CORPUS.glob("*.env"))
KEY = "DATABASE_URL"
URL = "postgresql://new:p%24%24%26w@db.example.com:5432/app?sslmode=require&schema=public"
REFUSED = {
    "apostrophe-before.env": "line 1",
    "bare-cr-behind-value.env": "line 1",
    "continuation-at-end.env": "the shell",
    "continuation.env": "the shell",
    "export-space-sign.env": "the shell",
    "nbsp-behind-value.env": "the shell",
    "nul.env": "",
    "triple-quotes.env": "line 1",
    "unterminated-before.env": "line 1",
    "unterminated-self.env": "line 1",
    "utf16.env": "UTF-16",
    "value-on-next-line.env": "another line",
}
# The shell cannot read the binding in these, before or after; the edit says so.
NOT_FOR_THE_SHELL = {
    "bare-cr-in-comment.env",
    "bom.env",
    "colon.env",
    "crlf.env",
    "only-newlines.env",
    "line-separator-in-comment.env",
    "shell-syntax.env",
    "spaces-round-sign.env",
    "tabs-and-blanks.env",
}


def _bytes(name: str) -> bytes:
    return (CORPUS / name).read_bytes()


def test_every_file_is_listed_with_its_reason() -> None:
    listed = re.findall(r"^\| `([^`]+)` \| (.+) \|$", (CORPUS / "README.md").read_text(), re.MULTILINE)
    assert [name for name, _ in listed] == FILES
    assert len(FILES) > 40


@pytest.mark.parametrize("name", FILES)
def test_a_parsed_file_renders_to_the_same_bytes(name: str) -> None:
    assert Document.parse(_bytes(name)).render() == _bytes(name)


@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED])
def test_setting_the_variable_changes_only_its_values_and_all_readers_get_it(name: str) -> None:
    before, document = _bytes(name), Document.parse(_bytes(name)).set(KEY, URL)
    after = document.render()
    assert readers.dotenv(after)[KEY] == URL
    assert readers.next_env([(".env", after)], {}).get(KEY) == (URL if name != "self-reference.env" else None)
    assert readers.python_dotenv(after).get(KEY, URL) == URL
    if name in NOT_FOR_THE_SHELL:
        assert shell_notice(document.readings, KEY)
    else:
        assert shell_notice(document.readings, KEY) == ""
        assert readers.bash_source(after)[KEY] == URL
    for written in (f'"{URL}"', f"'{URL}'", URL):
        after = after.replace(written.encode(), b"\0")
    kept = [re.escape(part) for part in after.split(b"\0")]
    # A comment that follows the value directly gets one space.
    assert len(kept) > 1
    if Document.parse(before).get(KEY) is not None:
        assert re.fullmatch(rb"[^\0]*?".join(kept).replace(rb"\ \#", rb"\ ?\#"), before, re.DOTALL), (
            before,
            after,
        )
    else:
        assert after.startswith(before)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_file_the_readers_would_disagree_on_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(EnvFileError) as refusal:
        Document.parse(_bytes(name), name).set(KEY, URL)
    assert KEY in refusal.value.what or name in refusal.value.what
    assert REFUSED[name] in " ".join(refusal.value.facts)
    assert refusal.value.fix
    assert "old@localhost" not in f"{refusal.value.facts}{refusal.value.what}"


@pytest.mark.parametrize("name", FILES)
def test_parking_and_unparking_gives_the_same_bytes(name: str) -> None:
    before = Document.parse(_bytes(name))
    if before.get(KEY) is None:
        return
    try:
        parked = before.park(KEY)
    except EnvFileError:
        assert name in REFUSED
        return
    assert parked.get(KEY) is None
    back = parked.unpark(KEY)
    assert back is not None
    assert back.render() == before.render()


def test_files_contain_what_breaks_naive_replacement() -> None:
    assert b"$$" in _bytes("dollars-in-password.env")
    assert b"$&" in _bytes("dollars-in-password.env")
    assert not re.search(rb"^DATABASE_URL=", _bytes("export.env"), re.MULTILINE)
    naive = re.sub(rb"(?m)^DATABASE_URL=.*$", b"DATABASE_URL=new", _bytes("duplicates.env"), count=1)
    assert readers.dotenv(naive)[KEY] == "second"
