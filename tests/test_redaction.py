"""No known value of a target, and nothing that looks like a secret, survives in text that others wrote."""

from __future__ import annotations

import json
import re
import string
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from dbswitch import redaction
from dbswitch.redaction import redact
from dbswitch.server.command_lines import masked_text

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://user:{SECRET}@host/db",
        f"POSTGRES://u:{SECRET}@[::1]:5432/db?sslmode=require",
        f"connecting to 'postgres://u:p@ss/w:{SECRET}@host/db' failed",
        f"prisma+postgres://accelerate.example/?api_key={SECRET}",
        f"host=localhost password={SECRET} user=x",
        f"password='{SECRET} with blanks' user=x",
        f'{{"password": "{SECRET}"}}',
        f"{{'PGPASSWORD': '{SECRET}'}}",
        f"BLOB_READ_WRITE_TOKEN={SECRET}",
        f"x-dbswitch-token: {SECRET}",
        f"https://x:{SECRET}@example.test",
        f"HTTPS://x:p@{SECRET}@example.test/a?b@c",
        f"https://proxy.example/?to=postgres://u:p/{SECRET}@h/d",
        f"Authorization: Bearer {SECRET}",
        f"Authorization: BEARER {SECRET}",
        f"authorization: Basic {SECRET}==",
        f'{{"authorization":"Bearer {SECRET}"}}',
        f"Authorization: {SECRET}",
        f"sent Bearer {SECRET}",
        f'{{"user":"x","password":"{SECRET} with \\" quote"}}',
        f'{{\\"password\\":\\"{SECRET}\\"}}',
        f'"api-key" : "{SECRET}"',
    ],
)
def test_a_secret_does_not_survive(text: str) -> None:
    assert SECRET not in redact(text)


@given(st.text(string.ascii_letters + string.digits + ":/?#[]@!$&()*+,;=%~^-._", min_size=6, max_size=30))
def test_no_password_survives_in_a_url_however_it_is_spelled(password: str) -> None:
    text = f"cannot connect to postgresql://shop:{password}@db.example:5432/shop now"
    assert f":{password}@" not in redact(text)
    assert "postgresql://***@" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        'File "dbswitch/x.py", line 3, in main\n    keys = list(found)\nKeyError: 5432 at localhost:5432/shop',
        "requesting https://fonts.googleapis.com/css2?family=Geist:wght@100..900&display=swap",
        "GET http://localhost:3000/@vite/client",
    ],
)
def test_text_without_secrets_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "repeated",
    [
        "0123456789abcdef",
        "token_id_",
        "postgres://a:",
        "a://",
        "a=",
        "://",
        "@",
        "-",
        "-token",
        "key_",
        'key="\\',
        "http://",
        "bearer ",
        "authorization: ",
    ],
)
def test_a_long_line_is_redacted_in_linear_time(repeated: str) -> None:
    line = repeated * (65536 // len(repeated))
    for text in (line, f"{line} ", f"{line} -", f"{line}\npassword={SECRET}"):
        assert SECRET not in redact(text)
        assert SECRET not in masked_text(text)


@pytest.mark.parametrize(
    "text",
    [
        f"next dev --db-password {SECRET}",
        f"next dev -token  {SECRET} --port 3000",
        f"x--api-key-file --api_key {SECRET}",
        f"--token --secret-name {SECRET}",
    ],
)
def test_the_value_of_an_option_does_not_survive(text: str) -> None:
    assert SECRET not in masked_text(text)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", set())


@pytest.mark.usefixtures("known")
def test_every_spelling_of_a_known_value_is_replaced_wherever_it_stands() -> None:
    redaction.remember(
        ["postgresql://shop:p%40ss%20w0rd@db.example:5432/shop", "blob_prod", 'a"quoted"value', "5432"]
    )
    for line in (
        "connecting with blob_prod and more",
        "url=postgresql://shop:p%40ss%20w0rd@db.example:5432/shop",
        "password is p@ss w0rd",
        "password is p%40ss%20w0rd.",
        "shop:p@ss w0rd",
        json.dumps({"x": 'a"quoted"value'}),
    ):
        shown = redact(line)
        assert not any(secret in shown for secret in ("blob_prod", "w0rd", "quoted")), shown
    assert redact("listening on 5432") == "listening on 5432"


@pytest.mark.usefixtures("known")
def test_a_common_word_as_a_password_is_replaced_as_a_whole_word_only() -> None:
    redaction.remember(["postgresql://u:postgres@h/d"])
    assert redact("role postgres of postgresql") == "role *** of postgresql"


@pytest.mark.usefixtures("known")
def test_a_password_that_is_also_a_scheme_hides_no_other_password() -> None:
    redaction.remember(["postgresql://u:postgres@h/d", "postgresql://u:postgresql@h/d"])
    for text in ("postgres://a:s3cr3t@h/d", "postgresql://a:s3cr3t@h/d"):
        assert "s3cr3t" not in redact(text)


@pytest.mark.usefixtures("known")
def test_a_value_that_holds_another_leaves_nothing_behind() -> None:
    redaction.remember(["secret", "secret_prod"])
    assert redact("with secret_prod") == "with ***"


@given(st.text(string.ascii_letters + string.digits + ":/?#[]@!$&()*+,;=%~^-._ ", min_size=6, max_size=30))
def test_a_known_password_survives_in_no_spelling(password: str) -> None:
    if re.fullmatch(r"[\d\s.]*", password) or re.fullmatch(redaction._PLAIN, password):
        return  # says nothing, and a log is full of it
    redaction._known.clear()
    redaction.remember([f"postgresql://shop:{quote(password, safe='')}@db.example:5432/shop"])
    try:
        for spelling in (password, quote(password, safe="")):
            assert spelling not in redact(f"login as shop with <{spelling}> failed")
    finally:
        redaction._known.clear()
