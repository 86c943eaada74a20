"""The line of a database: found as PgBouncer finds it, and replaced without touching anything else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given, settings, strategies as st

from dbswitch.database.url import DatabaseUrl, Secret
from dbswitch.errors import ConfigError
from dbswitch.pools.pgbouncer_ini import Route, edited, find, route_of
from tests.support.awkward import PASSWORDS
from tests.support.fleet import DATABASE, quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dbswitch.pools.pgbouncer_ini import Entry
    from tests.support.fleet import Fleet
    from tests.support.postgres import ShopServer

TARGET = DatabaseUrl("shop_app", Secret("it's new"), "db.example.com", 5433, "shop_new")


def entry_in(text: str, **included: str) -> Entry:
    files = {"pgbouncer.ini": text, **{name.replace("_", "."): content for name, content in included.items()}}
    return find("shop", "pgbouncer.ini", files.__getitem__)


def replaced(line: str, url: DatabaseUrl = TARGET) -> str:
    text = f"[databases]\n{line}\n"
    return edited(entry_in(text), url).splitlines()[1]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "shop = host=a port=1 dbname=b pool_size=7",
            "shop = host=db.example.com port=5433 dbname=shop_new pool_size=7",
        ),
        ("shop=", "shop=host=db.example.com port=5433 dbname=shop_new"),
        ("shop = pool_size=7", "shop = pool_size=7 host=db.example.com port=5433 dbname=shop_new"),
        (
            "shop\t=\thost = 'a b'   port= 1 dbname =b",
            "shop\t=\thost = db.example.com   port= 5433 dbname =shop_new",
        ),
        (
            "shop = user=u password='old''s' host=a",
            "shop = user=shop_app password='it''s new' host=db.example.com port=5433 dbname=shop_new",
        ),
        ("shop = user=u host=a", "shop = user=shop_app host=db.example.com port=5433 dbname=shop_new"),
        (
            "shop = auth_user=asker host=a connect_query='select ''1'''",
            "shop = auth_user=asker host=db.example.com connect_query='select ''1''' port=5433 dbname=shop_new",
        ),
        ("shop = host=a host=b", "shop = host=a host=db.example.com port=5433 dbname=shop_new"),
    ],
)
def test_only_the_values_of_the_target_are_replaced(line: str, expected: str) -> None:
    assert replaced(line) == expected


def test_a_socket_folder_and_an_ipv6_address_are_written_as_pgbouncer_reads_them() -> None:
    for host in ("/run/postgresql", "::1"):
        line = replaced("shop = host=a", DatabaseUrl("u", Secret(""), host, 5432, "d"))
        assert f"host={host} " in line


def test_comments_and_line_ends_around_the_line_stay() -> None:
    text = "; a\r\n[databases] # no\r\n  shop = host=a  \t\r\n#shop = host=c\r\n[users]\r\nshop = pool_mode=session\r\n"
    expected = text.replace("host=a", "host=db.example.com port=5433 dbname=shop_new", 1)
    assert edited(entry_in(text), TARGET) == expected


def test_the_last_entry_of_a_name_counts_also_across_included_files() -> None:
    text = "[databases]\nshop = host=a\n%include more.ini\n"
    entry = entry_in(text, more_ini="shop = host=b\n")
    assert (entry.path, entry.route.host) == ("more.ini", "b")
    entry = entry_in(text + "shop = host=c\n", more_ini="shop = host=b\n[users]\n")
    assert entry.route.host == "b"  # the section that the included file ends in goes on
    entry = entry_in(text + "[databases]\nshop = host=c\n", more_ini="shop = host=b\n[users]\n")
    assert (entry.path, entry.route.host) == ("pgbouncer.ini", "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[databases]\nother = host=a\n", "no line for the database shop"),
        ("[databases]\n* = host=a\n", "no line for the database shop"),
        ("[users]\nshop = host=a\n", "no line for the database shop"),
        ("[databases]\nshop = host=a\nshop is not a line\n", "line 3"),
        ("[databases]\nshop = host='a\n", "key=value"),
        ("[databases]\nshop = host=\n", "key=value"),
        ("[databases]\nshop = 'a'\n", "key=value"),
        ("[databases]\nshop = host='a'port=1\n", "key=value"),
        ("%include pgbouncer.ini\n", "ten levels"),
    ],
)
def test_what_pgbouncer_would_not_read_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        entry_in(text)
    assert said in refusal.value.what


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (DatabaseUrl("u", Secret(""), "h", 1, "d"), "its password is empty"),
        (DatabaseUrl("", Secret("p"), "h", 1, "d"), "its user is empty"),
        (DatabaseUrl("u", Secret("a\nb = c"), "h", 1, "d"), "line break"),
        (DatabaseUrl("u", Secret("p" * 996), "h", 1, "d"), "995 bytes"),
    ],
)
def test_a_target_that_the_line_cannot_hold_is_refused_without_its_password(
    url: DatabaseUrl, said: str
) -> None:
    with pytest.raises(ConfigError) as refusal:
        replaced("shop = user=u password=p", url)
    assert said in refusal.value.what
    assert "a\nb = c" not in repr(vars(refusal.value))


_VALUE = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\n\0"),
    min_size=1,
    max_size=20,
)
_PAIR = st.tuples(
    st.sampled_from(["host", "dbname", "user", "password", "pool_size", "connect_query", "auth_user"]),
    st.sampled_from(["=", " =", "= ", " = "]),
    _VALUE,
    st.sampled_from([" ", "  "]),
)
_NOISE = st.sampled_from(
    [
        "",
        "  ",
        "; shop = host=x",
        "# é",
        "other = host=o password='a b'",
        "[databases]",
        "\t[databases]",
        "a-b.c*=x=1",
    ]
)


@settings(deadline=None)
@given(
    st.lists(_NOISE), st.lists(_PAIR, max_size=6), st.lists(_NOISE), st.sampled_from(["\n", "\r\n"]), _VALUE
)
def test_any_line_is_replaced_and_read_back_and_no_other_byte_changes(before, pairs, after, end, password):
    connection = "".join(f"{key}{sign}{quoted(value)}{space}" for key, sign, value, space in pairs)
    head = end.join(["[databases]", *before, "shop = "])
    tail = end + end.join([*after, "[users]", "shop = pool_mode=session", ""])
    entry = entry_in(head + connection + tail)
    assert [(one.key, one.value) for one in entry.parameters] == [(key, value) for key, _, value, _ in pairs]
    url = DatabaseUrl("new'user", Secret(password), "db", 5433, "fresh")
    text = edited(entry, url)
    assert text.startswith(head)
    assert text.endswith(tail)
    again = entry_in(text)
    assert again.route == route_of(entry, url)
    keys = {key for key, *_ in pairs}
    assert again.value("password") == (password if {"user", "password"} <= keys else entry.value("password"))
    last = {key: value for key, _, value, _ in pairs}
    for key in keys - {"host", "dbname", "user", "password"}:
        assert again.value(key) == last[key]


@pytest.mark.real
def test_the_real_pgbouncer_reads_random_files_alike(fleet: Fleet) -> None:
    [pooler] = fleet.poolers
    chosen = random.Random(18)
    whole = pooler.config.read_text()
    seen = 0
    for _ in range(60):
        pairs = [
            f"{key}{chosen.choice(['=', ' = '])}{value}"
            for key, value in (
                ("host", chosen.choice(["a.example", "'b.example'", "10.0.0.1", "/run/x", "'h''h'"])),
                ("port", chosen.choice(["1", "65535", "'5433'"])),
                ("dbname", chosen.choice(["d", "'d d'", "'d''d'", "漢"])),
                ("user", chosen.choice(["u", "'u u'"])),
                ("pool_size", "3"),
            )
            if chosen.random() < 0.7
        ]
        chosen.shuffle(pairs)
        lines = [
            chosen.choice(
                [f"{DATABASE} = host=first", "; x", "", f"#{DATABASE} = host=no", "[users]", "[databases] x"]
            ),
            "[databases]",
            f"{chosen.choice(['', ' ', chr(9)])}{DATABASE}{chosen.choice(['=', ' = ', chr(9) + '=' + chr(9)])}"
            + chosen.choice([" ", "   "]).join(pairs),
            chosen.choice(["", "# end", f"; {DATABASE} = host=no"]),
        ]
        lines[0] = lines[0].removesuffix(" x")
        text = chosen.choice(["\n", "\r\n"]).join(["[databases]", *lines, ""])
        pooler.config.write_text(text + whole[whole.index("[pgbouncer]") :])
        pooler.console("RELOAD")
        [row] = [row for row in pooler.console("SHOW DATABASES") if row["name"] == DATABASE]
        read = find(DATABASE, str(pooler.config), lambda path: pooler.config.read_text()).route
        # A forced user stays in the running PgBouncer when its line loses it ("losing forced user not supported").
        forced = row["force_user"] if read.user is not None else None
        assert Route(row["host"] or "", row["port"], row["database"], forced) == read, text
        seen += 1
    assert seen == 60


@pytest.mark.real
def test_fifty_awkward_passwords_are_read_by_the_real_pgbouncer(
    fleet_of: Callable[..., Fleet], postgres_home: Path, postgres_local: ShopServer
) -> None:
    server = postgres_local.server
    lines = []
    for number, password in enumerate(PASSWORDS):
        role = f"awkward_{number}"
        server.create_role(role, password)
        url = DatabaseUrl.parse(
            f"postgresql://{role}:{quote(password, safe='')}@127.0.0.1:{server.port}/postgres"
        )
        lines.append(replaced("shop = host=a user=u password=p", url).replace("shop =", f"db{number} ="))
    fleet = fleet_of(lines=tuple(lines))
    for number in range(len(PASSWORDS)):
        with psycopg.connect(fleet.poolers[0].url(f"db{number}"), connect_timeout=30) as connection:
            row = connection.execute("SELECT current_user").fetchone()
        assert row == (f"awkward_{number}",), PASSWORDS[number]
