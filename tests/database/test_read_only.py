"""URLs whose sessions are read-only."""

from __future__ import annotations

import pytest

from dbswitch.database.catalogue import role_sql
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl

BASE = "postgresql://app:s3cret@db.example.com:5432/shop"
OPTION = "options=-c%20default_transaction_read_only%3Don"


def parsed(query: str) -> DatabaseUrl:
    return DatabaseUrl.parse(f"{BASE}{query}")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"?{OPTION}"),
        ("?schema=shop&sslmode=require", f"?schema=shop&sslmode=require&{OPTION}"),
        (
            "?options=-c%20search_path%3Dx&schema=y",
            "?schema=y&options=-c%20search_path%3Dx%20-c%20default_transaction_read_only%3Don",
        ),
        (
            "?options=endpoint%3Dep-1",
            "?options=endpoint%3Dep-1%20-c%20default_transaction_read_only%3Don",
        ),
        (f"?{OPTION}", f"?{OPTION}"),
    ],
)
def test_the_option_is_added_once_and_others_are_kept(before, after):
    made = parsed(before).read_only()
    assert made.env_form() == f"{BASE}{after}"
    assert made.is_read_only
    assert made.read_only() == made


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("-c default_transaction_read_only=on", True),
        ("-cdefault_transaction_read_only=true", True),
        ("--default-transaction-read-only=1", True),
        ("-c DEFAULT_TRANSACTION_READ_ONLY=yes", True),
        ("-c default_transaction_read_only=on -c default_transaction_read_only=off", False),
        ("-c default_transaction_read_only=off", False),
        ("-c default_transaction_isolation=serializable", False),
        ("", False),
    ],
)
def test_the_last_setting_of_the_options_counts(options, expected):
    from urllib.parse import quote

    assert parsed(f"?options={quote(options, safe='')}").is_read_only is expected


def test_postgres_takes_the_url_and_refuses_a_write(postgres_prod):
    import psycopg

    url = DatabaseUrl.parse(postgres_prod.url).read_only()
    assert wait_until_ready(url, ProbeLimits(deadline=10)).identity.read_only
    with psycopg.connect(url.env_form()) as connection:
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute('DELETE FROM "Item"')


def test_the_role_of_the_advice_can_read_and_not_write_also_behind_a_pooler(fresh_postgres, pooled):
    import psycopg

    shop = fresh_postgres()
    name = f"{shop.shop.database}_read_only"
    with shop.server.connect(shop.shop.database) as connection:
        connection.execute(role_sql(None, shop.shop.database).replace("'...'", "'reader'"))
    behind = pooled(shop.server.url(shop.shop.database, user=name, password="reader"))
    with psycopg.connect(behind, prepare_threshold=None) as connection:
        assert connection.execute('SELECT count(*) FROM "Item"').fetchone() == (len(shop.shop.items),)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute('DELETE FROM "Item"')


def test_the_sql_of_a_reading_role_quotes_names_that_contain_quotes() -> None:
    sql = role_sql(None, 'a"b')
    assert 'CREATE ROLE "a""b_read_only" LOGIN' in sql
    assert 'GRANT CONNECT ON DATABASE "a""b" TO "a""b_read_only"' in sql
