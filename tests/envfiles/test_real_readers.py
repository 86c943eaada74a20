"""What is written is read by the real programs: npm dotenv 16, 17 and 18, @next/env, python-dotenv, bash `source`."""

from __future__ import annotations

import io
import random
import re
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from dotenv import dotenv_values

from dbswitch.envfiles import quoting, readers
from dbswitch.envfiles.document import Document
from dbswitch.envfiles.edit_check import shell_notice
from dbswitch.envfiles.shell import StopReason
from dbswitch.errors import EnvFileError
from tests.envfiles.real_readers import DOTENV, NEXT, BashReader, NodeReaders
from tests.support.amounts import slice_and_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

pytestmark = pytest.mark.real

KEY = "DATABASE_URL"
AMBIENT = {"AMB": "am$A", "EMPTY": "", "B": "ambient"}
ASCII = "".join(map(chr, range(0x20, 0x7F)))
UNICODE = "éßñØ漢字🐘\u00a0\u2028\u202e\ufeff"
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"
TROUBLE = "$`\\'\"#\n\r\t "
# dotenv, Next.js, python-dotenv and bash each get these right, each in its own way.
FOREIGN = (
    "# it's a comment",
    '# DATABASE_URL="postgres://commented:out@h/db"',
    "#DATABASE_URL=postgres://x:y@h/db",
    "",
    "   ",
    "PORT=3000",
    "export NODE_ENV=development",
    'DATABASE_URL_LOCAL="postgres://local:local@localhost/db"',
    "MY_DATABASE_URL=postgres://mine@h/db",
    "DATABASE_URL_=x",
    "GREETING='hello # world' # a comment",
    'EMPTY_ONE=""',
    "JSON='{\"a\": [1, 2]}'",
    'PEM="-----BEGIN\nDATABASE_URL=inside\n-----END"',
    "ÜMLAUT_COMMENT=1 # grün",
    "REFERS=$PORT/x",
)
# With one of these before the binding, the shell gets nothing or no model says what.
UNSOURCEABLE = ("MAIL=Acme <a@example.com>", "RUN=`date`", "SPACED = x", "NOTE=(draft)", "WHEN=$(date)")


def _user_info(rnd: random.Random) -> str:
    return "".join(rnd.choice(ASCII if rnd.random() < 0.9 else UNICODE) for _ in range(rnd.randrange(1, 24)))


def _encoded(text: str) -> str:
    return "".join(c if c in PLAIN else "".join(f"%{b:02X}" for b in c.encode()) for c in text)


def _url(rnd: random.Random, everything: Iterator[str]) -> tuple[str, str, str]:
    user, password = _user_info(rnd), _user_info(rnd) + next(everything)
    query = rnd.choice(("", "?schema=public", "?sslmode=require&connection_limit=5", "?options=-c%20a%3Db"))
    return (
        f"postgresql://{_encoded(user)}:{_encoded(password)}@db.example.com:5432/app_db{query}",
        user,
        password,
    )


def _old_value(rnd: random.Random) -> str:
    return rnd.choice(
        (
            "",
            "postgres://u:p@h/db",
            "postgres://u:p@h/db?a=1&b=2",
            "postgres://u:pa#ss@h/db",
            '"postgres://u:p@h/db"',
            "'postgres://u:$p@h/db'",
            '"postgres://u:p@h/$db"',
            "`postgres://u:p@h/db`",
            '"two\nlines"',
            '"pa\\"ss"',
        )
    )


def _key_line(rnd: random.Random) -> tuple[str, str, str]:
    """Return the text before a value, the value, and the text after it."""
    before = rnd.choice(("", "", "", "export ", "  ", "\t", "export \t")) + KEY
    value = _old_value(rnd)
    # An empty value begins directly after the sign, so a space after that is kept.
    before += rnd.choices(("=", " = ", "= ", ": "), (40, 1, 1, 1))[0] if value else "="
    behind = rnd.choice(("", "", "", " ", " # the database", "\t# it's ours"))
    if value[:1] in {'"', "'"} and rnd.random() < 0.1:
        behind = "#tight"
    return before, value, behind


def _file(rnd: random.Random) -> list[str | None]:
    """Return the pieces of a file; None stands where a value of KEY is."""
    pieces: list[str | None] = ["\ufeff"] if rnd.random() < 0.03 else [""]
    end = "\r\n" if rnd.random() < 0.05 else "\n"
    lines: list[tuple[str, str, str] | str] = [_key_line(rnd) for _ in range(rnd.choice((1, 1, 1, 2, 3)))]
    lines += [rnd.choice(FOREIGN) for _ in range(rnd.randrange(8))]
    if rnd.random() < 0.08:
        lines.append(rnd.choice(UNSOURCEABLE))
    rnd.shuffle(lines)
    for number, line in enumerate(lines, 1):
        last = number == len(lines)
        ending = "" if last and rnd.random() < 0.3 else "\n" if rnd.random() < 0.02 else end
        if isinstance(line, str):
            pieces.append(line + ending)
        else:
            pieces += [line[0], None, line[1], line[2] + ending]
    return pieces


def _bytes(pieces: Sequence[str | None], rnd: random.Random) -> tuple[bytes, re.Pattern[bytes], int]:
    """Return the file, a pattern that matches it with any one value in place of each value of KEY, and their count."""
    data, pattern, count, value_next = b"", b"", 0, False
    for piece in pieces:
        if piece is None:
            value_next = True
            continue
        raw = piece.encode()
        if raw.startswith(b"#") and rnd.random() < 0.2:
            raw = raw.replace(b"a", b"\xe4\xff", 1)  # latin-1 in a comment
        data += raw
        if value_next:
            # Perhaps a space before a comment that follows the value directly.
            pattern += rb"(?P<v%d>[^\n]*?) ??" % count
            count += 1
        else:
            pattern += re.escape(raw)
        value_next = False
    return data, re.compile(pattern, re.DOTALL), count


def _every_character() -> Iterator[str]:
    while True:
        yield from ASCII + UNICODE


def _python(data: bytes) -> str | None:
    return dotenv_values(stream=io.StringIO(data.decode("utf-8", "replace"), newline="")).get(KEY)


@slice_and_sweep("agreements", 200, 2000)
def test_a_random_url_in_a_random_file_is_read_identically_by_every_real_reader(
    tmp_path: Path, figure: Callable[[str], None], agreements: int
) -> None:
    rnd, counts, seen = random.Random(6), Counter[str](), set[str]()
    everything = _every_character()
    node, bash = NodeReaders(), BashReader([KEY], tmp_path)
    try:
        while counts["all five agree"] < agreements:
            assert counts["cases"] < 3 * agreements, f"too few files can be edited: {counts}"
            counts["cases"] += 1
            url, user, password = _url(rnd, everything)
            seen |= {*user, *password}
            data, pattern, values = _bytes(_file(rnd), rnd)
            try:
                document = Document.parse(data).set(KEY, url)
            except EnvFileError:
                counts["refused"] += 1
                continue
            written = document.render()
            matched = pattern.fullmatch(written)
            assert matched, f"bytes outside the value changed\n{data!r}\n{written!r}"
            forms = {url.encode(), b'"' + url.encode() + b'"', b"'" + url.encode() + b"'"}
            assert all(matched[f"v{i}"] in forms for i in range(values)), (data, written)
            got = node.read({".env": written})
            for name in (*DOTENV, *NEXT):
                assert got[name].get(KEY) == url, (name, data, written, got[name].get(KEY))
            counts["Node readers"] += 1
            python, shell = _python(written), (bash.read(written) or {}).get(KEY)
            if shell_notice(document.readings, KEY) or python is None:
                # Announced: no reader may get another URL even so (a shell on a CRLF file gets the CR as well).
                assert python in {url, None}, (data, written, python)
                assert shell in {url, None, f"{url}\r"}, (data, written, shell)
                counts["shell or python-dotenv excepted, and said so"] += 1
            else:
                assert python == shell == url, (data, written, python, shell)
                counts["all five agree"] += 1
            back = re.match(r"postgresql://([^:]*):([^@]*)@", url)
            assert back
            assert (unquote(back[1]), unquote(back[2])) == (user, password)
    finally:
        node.close()
        bash.close()
    assert seen >= {*ASCII, *UNICODE}
    assert counts["refused"] < counts["cases"] / 10
    figure(f"real readers: {dict(counts)}, disagreements: 0, foreign bytes changed: 0")


@slice_and_sweep("tokens", 120, 600)
def test_a_random_token_is_read_identically_by_every_real_reader_or_refused(
    tmp_path: Path, figure: Callable[[str], None], tokens: int
) -> None:
    rnd, counts = random.Random(17), Counter[str]()
    node, bash = NodeReaders(), BashReader([KEY], tmp_path)
    try:
        for _ in range(tokens):
            few = "".join(rnd.sample(ASCII, 4) + rnd.sample(TROUBLE, 2)) + "abcü"
            token = "".join(rnd.choice(few) for _ in range(rnd.randrange(0, 12)))
            quote = rnd.choice(list(quoting.Quote))
            if not quoting.forms(token, quote):
                with pytest.raises(EnvFileError) as refusal:
                    quoting.written_form(token, quote, key=KEY)
                assert KEY in refusal.value.what
                counts["refused"] += 1
                continue
            written = f"A=1\n{KEY}={quoting.written_form(token, quote)}\n".encode()
            got = node.read({".env": written})
            every = [got[name].get(KEY) for name in (*DOTENV, *NEXT)]
            every += [_python(written), (bash.read(written) or {}).get(KEY)]
            assert every == [token] * len(every), (written, every)
            counts["written"] += 1
    finally:
        node.close()
        bash.close()
    assert counts["written"] > tokens / 3
    assert counts["refused"] > tokens / 12
    figure(f"tokens: {dict(counts)}, disagreements: 0")


NODE_PIECES = (
    *(
        "A",
        "B",
        "C",
        "K",
        "KL",
        "export ",
        "=",
        "=",
        "=",
        " = ",
        ": ",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\r",
        '"',
        "'",
        "`",
    ),
    *(
        '"',
        "'",
        "#",
        " #",
        " ",
        "\t",
        "\\",
        "\\n",
        "\\r",
        "$",
        "$A",
        "${B}",
        "${C:-d}",
        "$AMB",
        "$$",
        "$&",
        "\\$",
    ),
    *("a", "b1", "x y", "&", ";", "\u2028", "\ufeff", "\u00a0", "é", ":", "-", ".", '"v"', "'w'", '=""'),
)
SHELL_PIECES = (
    *(
        "A=",
        "B=",
        "C=",
        "K=",
        "KL=",
        "export K=",
        "export ",
        "\n",
        "\n",
        "\n",
        "\n",
        "\r\n",
        '"',
        '"',
        "'",
        "'",
        "#",
    ),
    *(
        " # it",
        " ",
        "\t",
        "\\",
        "\\\n",
        "$",
        "$A",
        "${B}",
        "$$",
        "\\$",
        "a",
        "x y",
        "&",
        ";",
        "é",
        "~",
        "+=",
        '"v"',
    ),
    *("'w'", "!", "[", "*", "v", "v\n", "'w'\n", "(", "<", "A=1\n", "K='x y'\n", 'export B="q $"\n'),
)


@slice_and_sweep("files_read", 300, 1500)
def test_fuzzed_files_are_read_as_the_node_programs_read_them(files_read: int) -> None:
    rnd, node = random.Random(1), NodeReaders(AMBIENT)
    expanded = 0
    try:
        for _ in range(files_read):
            files = {".env": "".join(rnd.choices(NODE_PIECES, k=rnd.randrange(1, 30))).encode()}
            if rnd.random() < 0.1:
                files[".env"] = files[".env"].replace(b"a", b"\xff\xc3")
            if rnd.random() < 0.3:
                files[".env.local"] = "".join(rnd.choices(NODE_PIECES, k=rnd.randrange(1, 12))).encode()
            expand = not any(_overflows(data) for data in files.values())
            got = node.read(files, expand=expand)
            for name in DOTENV:
                assert got[name] == readers.dotenv(files[".env"]), (name, files)
            if expand:
                order = [(name, files[name]) for name in (".env.local", ".env") if name in files]
                model = readers.next_env(order, AMBIENT)
                for name in NEXT:
                    own = {"PATH", "TMPDIR", "__NEXT_PROCESSED_ENV"}
                    assert {k: v for k, v in got[name].items() if k not in own} == model, (name, files)
                expanded += 1
    finally:
        node.close()
    assert expanded > files_read * 2 / 3


def _overflows(data: bytes) -> bool:
    """Return whether a value may refer to itself through some file or the environment; Node can die of that."""
    return any("$" in value for value in readers.dotenv(data).values()) and len(re.findall(rb"\$", data)) > 1


def test_a_value_that_contains_itself_drops_its_file_as_in_next_js() -> None:
    node = NodeReaders()
    try:
        files = {".env.local": b'GONE=1\nK="x$K"\n', ".env": b"K=kept\n"}
        got = node.read(files)
    finally:
        node.close()
    model = readers.next_env([(name, files[name]) for name in (".env.local", ".env")], {})
    assert model == {"K": "kept"}
    for name in NEXT:
        assert {k: got[name].get(k) for k in ("K", "GONE")} == {"K": "kept", "GONE": None}


@slice_and_sweep("files_read", 250, 2000)
def test_what_is_said_of_bash_on_fuzzed_files_is_what_bash_does(tmp_path: Path, files_read: int) -> None:
    rnd, keys = random.Random(3), ["A", "B", "C", "K", "KL"]
    bash, whole, claimed, odd = BashReader(keys, tmp_path), 0, 0, 0
    try:
        for _ in range(files_read):
            data = "".join(rnd.choices(SHELL_PIECES, k=rnd.randrange(1, 16))).encode()
            real, model = bash.read(data), readers.bash_reading(data)
            if real is None:
                # A background command printed as well, or the file ended the shell.
                odd += 1
                continue
            whole += model.stop is None
            for key in keys:
                if model.values.get(key) is not None:
                    assert real.get(key) == model.values[key], (data, key, real.get(key), model)
                    claimed += 1
                elif key not in model.values and (
                    model.stop is None or model.stop.reason is StopReason.OPEN_QUOTE
                ):
                    assert key not in real, (data, key, real[key], model)
    finally:
        bash.close()
    assert whole > files_read * 0.15
    assert claimed > files_read * 0.15
    assert odd < files_read / 20
