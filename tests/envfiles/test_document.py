"""The lossless document: bytes in are bytes out, and an edit changes one value."""

from __future__ import annotations

import string

import pytest
from hypothesis import assume, example, given, settings, strategies as st

from dbswitch.envfiles import readers
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.edit_check import shell_notice
from dbswitch.envfiles.quoting import Quote, forms
from dbswitch.errors import EnvFileError

URL = "postgres://u:p%24%26@db:5432/app?a=1&b=2"
PIECES = st.sampled_from(
    [
        *(
            "KEY=",
            "KEY = ",
            "export KEY=",
            "KEY_LOCAL=",
            "A=",
            "B: ",
            "export B=",
            "KEY: ",
            "#",
            " # ",
            '"',
            "'",
            "`",
        ),
        *(
            "\n",
            "\n",
            "\r\n",
            "\r",
            "\u2028",
            "\ufeff",
            " ",
            "\t",
            "=",
            "\\",
            "$",
            "${A}",
            "x",
            "y z",
            "é",
            "&",
            ";",
        ),
        *('"v"', "'w'", '"two\nlines"', "\\n", "dbswitch:parked ", "# dbswitch:parked KEY=x\n", "<", "~"),
    ]
)
FILES = st.lists(PIECES, max_size=25).map("".join).map(str.encode)
PLAIN_LINES = st.lists(
    st.sampled_from(
        [
            "A=1",
            "# it's",
            "",
            "  ",
            "export B='x # y'",
            'C="two\nlines"',
            "KEY_LOCAL=z",
            "# KEY=old",
            "MY_KEY=1",
            "D=é # \xe4",
        ]
    ),
    max_size=6,
).map(lambda lines: "".join(f"{line}\n" for line in lines))
VALUES = st.one_of(
    st.just(URL),
    st.text(alphabet=string.ascii_letters + string.digits + "-._%:/@?=&", min_size=0, max_size=30),
    st.text(max_size=12),
)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_render_unchanged(data: bytes) -> None:
    assert Document.parse(data).render() == data
    Document.parse(data).bindings  # noqa: B018 - it must not raise


@settings(deadline=None)
@given(FILES)
def test_fuzzed_files_render_unchanged_and_the_bindings_are_what_dotenv_reads(data: bytes) -> None:
    document = Document.parse(data)
    assert document.render() == data
    assert {b.key: b.value for b in document.bindings} == readers.dotenv(data)
    for binding in document.bindings:
        assert document.get(binding.key) == readers.dotenv(data)[binding.key]


@settings(deadline=None)
@given(
    before=PLAIN_LINES,
    export=st.sampled_from(["", "export ", "  ", "\t"]),
    old=st.sampled_from(["", "x", "'x'", '"x y"', "`x`", '"a\nb"', "pa#ss", "a&b=1"]),
    tail=st.sampled_from(["", " ", " # comment", "\t# it's"]),
    end=st.sampled_from(["\n", "\r\n", ""]),
    after=PLAIN_LINES,
    value=VALUES,
)
def test_setting_a_variable_changes_only_the_bytes_of_its_value(
    before: str, export: str, old: str, tail: str, end: str, after: str, value: str
) -> None:
    assume(forms(value, Quote.DOUBLE))
    after = after if end else ""
    data = f"{before}{export}KEY={old}{tail}{end}{after}".encode("utf-8", "surrogateescape")
    written = Document.parse(data).set("KEY", value).render()
    head, foot = f"{before}{export}KEY=".encode(), f"{tail}{end}{after}".encode()
    assert written.startswith(head)
    assert written.endswith(foot)
    form = written[len(head) : len(written) - len(foot)].decode()
    assert form in {value, f'"{value}"', f"'{value}'"}
    assert readers.dotenv(written)["KEY"] == value
    others = {k: v for k, v in readers.dotenv(data).items() if k != "KEY"}
    assert {k: v for k, v in readers.dotenv(written).items() if k != "KEY"} == others


@settings(max_examples=400, deadline=None)
@given(FILES, VALUES)
def test_every_reader_that_reads_the_binding_reads_the_edit_or_it_is_refused(data: bytes, value: str) -> None:
    try:
        document = Document.parse(data).set("KEY", value)
    except EnvFileError:
        return
    after = document.render()
    assert readers.dotenv(after)["KEY"] == value
    assert readers.python_dotenv(after).get("KEY", value) == value
    assert readers.bash_source(after).get("KEY", value) in {value, f"{value}\r"}
    rest = {k: v for k, v in readers.dotenv(data).items() if k != "KEY"}
    assert {k: v for k, v in readers.dotenv(after).items() if k != "KEY"} == rest


@settings(deadline=None)
@given(FILES, VALUES)
def test_setting_a_variable_twice_changes_nothing_more(data: bytes, value: str) -> None:
    try:
        once = Document.parse(data).set("KEY", value)
    except EnvFileError:
        return
    assert once.set("KEY", value).render() == once.render()


@settings(max_examples=400, deadline=None)
@example(b"# dbswitch:parked KEY=x\n\xef\xbb\xbf# dbswitch:parked KEY=x\n", b"KEY=")
@given(
    FILES,
    st.sampled_from([b"KEY=", b"export KEY='x'", b"A=1\r\n\tKEY: ", b'KEY="', b"\xef\xbb\xbfKEY=a\rKEY=b"]),
)
def test_parking_hides_a_variable_and_unparking_restores_the_old_bytes(rest: bytes, start: bytes) -> None:
    data = start + rest
    document = Document.parse(data)
    try:
        if document.get("KEY") is None or document.unpark("KEY") is not None:
            return
        parked = document.park("KEY")
    except EnvFileError:
        return
    assert parked.get("KEY") is None
    assert "KEY" not in readers.python_dotenv(parked.render())
    assert "KEY" not in readers.bash_source(parked.render())
    back = parked.unpark("KEY")
    assert back is not None
    assert back.render() == data


def test_every_duplicate_is_set() -> None:
    document = Document.parse(b"KEY=a\nB=1\nexport KEY='b'\n").set("KEY", "new")
    assert document.render() == b"KEY=new\nB=1\nexport KEY='new'\n"


def test_a_new_variable_is_appended_with_the_line_end_of_the_file() -> None:
    assert Document.parse(b"").append("KEY", "v").render() == b'KEY="v"\n'
    assert Document.parse(b"A=1").append("KEY", "v").render() == b'A=1\nKEY="v"\n'
    assert Document.parse(b"A=1\r\n").append("KEY", "v").render() == b'A=1\r\nKEY="v"\r\n'


def test_a_binding_has_its_line_and_quote() -> None:
    document = Document.parse(b"# c\r\nexport A='x'\r\n\r\nB=\"two\nlines\"\rC=3\n")
    found = [(b.key, b.line, b.quote, b.value) for b in document.bindings]
    assert found == [
        ("A", 2, Quote.SINGLE, "x"),
        ("B", 4, Quote.DOUBLE, "two\nlines"),
        ("C", 6, Quote.NONE, "3"),
    ]


def test_no_repr_shows_a_value() -> None:
    document = Document.parse(b"KEY=hunter2\n")
    assert "hunter2" not in repr(document)
    assert "hunter2" not in repr(document.bindings)


def test_an_unquoted_url_with_an_ampersand_is_edited_although_the_shell_splits_it() -> None:
    document = Document.parse(b"KEY=postgres://h/db?a=1&b=2\n").set("KEY", URL)
    assert document.render() == f'KEY="{URL}"\n'.encode()
    assert shell_notice(document.readings, "KEY") == ""


def test_a_comment_after_a_value_gets_a_space_even_if_the_shell_cannot_be_followed() -> None:
    edited = Document.parse(b'WHEN=$(date)\nKEY="x"#tight\n').set("KEY", URL)
    assert edited.render() == f'WHEN=$(date)\nKEY="{URL}" #tight\n'.encode()


def test_a_key_that_is_not_a_variable_name_is_refused() -> None:
    with pytest.raises(EnvFileError, match="not a variable name"):
        Document.parse(b"").set("MY-KEY", "x")


def test_unparking_returns_none_if_nothing_is_parked() -> None:
    assert Document.parse(b"# KEY=x\n# dbswitch:parked OTHER=1\n").unpark("KEY") is None


@settings(max_examples=300, deadline=None)
@given(
    FILES,
    st.sampled_from([b"KEY=", b"export KEY='x'", b"A=1\r\n\tKEY = ", b'KEY="$A', b"\xef\xbb\xbfKEY=a#b"]),
)
def test_a_kept_value_is_restored_byte_for_byte(rest: bytes, start: bytes) -> None:
    data = start + rest
    document = Document.parse(data)
    if [binding.key for binding in document.bindings].count("KEY") != 1:
        return
    try:
        edited = document.keep("KEY").set("KEY", URL)
    except EnvFileError:
        return
    back = edited.restore("KEY")
    assert back is not None
    assert back.render() == data


def test_a_kept_value_is_restored_although_the_shell_reads_it_differently() -> None:
    data = b'HOST=h\nKEY="postgres://u:p@$HOST/db"  # mine\n'
    back = Document.parse(data).keep("KEY").set("KEY", URL).restore("KEY")
    assert back is not None
    assert back.render() == data


def test_each_own_value_of_a_variable_that_is_bound_twice_is_kept_and_restored() -> None:
    data = b"KEY=mine1\n# between\nKEY='theirs'\nexport KEY=mine2 # the newest\n"
    edited = Document.parse(data).keep("KEY", lambda value: value != "theirs").set("KEY", URL)
    rendered = edited.render()
    assert (b"mine1" in rendered, b"theirs" in rendered, b"mine2" in rendered) == (True, False, True)
    back = edited.restore("KEY")
    assert back is not None
    assert back.render() == data.replace(b"theirs", URL.encode())
