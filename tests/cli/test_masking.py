"""The last net against secrets in the log of bugs."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, strategies as st

from dbswitch.cli.masking import mask_secrets

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
    ],
)
def test_a_secret_does_not_survive(text: str) -> None:
    assert SECRET not in mask_secrets(text)


@given(st.text(string.ascii_letters + string.digits + ":/?#[]@!$&()*+,;=%~^-._", min_size=6, max_size=30))
def test_no_password_survives_in_a_url_however_it_is_spelled(password: str) -> None:
    text = f"cannot connect to postgresql://shop:{password}@db.example:5432/shop now"
    assert f":{password}@" not in mask_secrets(text)
    assert "postgresql://***@" in mask_secrets(text)


def test_text_without_secrets_is_left_alone() -> None:
    text = (
        'File "dbswitch/x.py", line 3, in main\n    keys = list(found)\nKeyError: 5432 at localhost:5432/shop'
    )
    assert mask_secrets(text) == text
