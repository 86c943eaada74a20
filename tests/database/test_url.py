"""DatabaseUrl: what people paste is understood or refused, and never shown."""

from __future__ import annotations

import re
import string
import traceback

import pytest
from hypothesis import given, strategies as st

from dbswitch.database.url import DatabaseUrl, Secret
from dbswitch.errors import UrlError

NAMES = st.text(alphabet=string.ascii_letters + string.digits + "_-", min_size=1, max_size=12)
TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from(string.printable.strip() + " "),
        st.characters(min_codepoint=1, exclude_categories=("Cs",)),
    ),
    max_size=24,
)
HOSTS = st.one_of(
    st.sampled_from(("localhost", "127.0.0.1", "::1", "2001:db8::17", "/var/run/postgresql", "/tmp/a b@c")),
    NAMES.map(lambda name: f"{name}.example.com"),
)
PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(("schema", "connection_limit", "application_name", "options", "sslpassword", "x_y")),
        TEXTS,
    ),
    max_size=4,
)


@st.composite
def urls(draw: st.DrawFn) -> DatabaseUrl:
    user = draw(TEXTS)
    return DatabaseUrl(
        user=user,
        password=Secret(draw(TEXTS) if user else ""),
        host=draw(HOSTS),
        port=draw(st.integers(1, 65535)),
        database=draw(NAMES),
        parameters=tuple(draw(PARAMETERS)),
    )


@given(urls())
def test_the_env_form_is_read_back_as_the_same_url(url):
    assert DatabaseUrl.parse(url.env_form()) == url


@given(urls())
def test_the_env_form_of_an_env_form_is_itself(url):
    form = url.env_form()
    assert DatabaseUrl.parse(form).env_form() == form


@given(urls())
def test_the_env_form_holds_only_characters_that_no_reader_of_env_files_touches(url):
    form = url.env_form()
    login, _, place = form.removeprefix("postgresql://").rpartition("@")
    assert re.fullmatch(r"[A-Za-z0-9._%:-]*", login)
    assert login.count(":") <= 1
    assert re.fullmatch(r"[A-Za-z0-9._:\[\]-]+/[A-Za-z0-9_.-]+", place.partition("?")[0])
    assert re.fullmatch(r"[A-Za-z0-9_.%=&-]*", place.partition("?")[2])


@given(password=TEXTS, user=TEXTS.filter(bool))
def test_no_form_for_people_shows_the_password(password, user):
    marked = f"Zq7-{password}-7qZ"
    url = DatabaseUrl.parse(DatabaseUrl(user, Secret(marked), "db.example.com", 5432, "shop").env_form())
    for shown in (
        repr(url),
        str(url),
        f"{url}",
        f"{url!r:>90}",
        repr([url]),
        url.masked(),
        repr(url.password),
        repr(url.libpq()),
    ):
        assert "Zq7" not in shown
        assert "7qZ" not in shown


RAW_PASSWORD = st.text(
    alphabet=string.ascii_letters + string.digits + "@:/#?!$&*()[]{}<>|;,'\"`~^+=.-_\\ é", max_size=20
)


@given(RAW_PASSWORD)
def test_a_pasted_raw_password_is_understood_or_refused_but_never_misread(password):
    text = f"postgresql://app:{password}@db.example.com:5433/shop?schema=main"
    try:
        url = DatabaseUrl.parse(text)
    except UrlError as error:
        refused = error.what
    else:
        refused = None
    if refused is not None:
        assert "ways" in refused
        return
    assert (url.user, url.password.reveal(), url.host, url.port, url.database) == (
        "app", password, "db.example.com", 5433, "shop",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "user", "password", "host", "port", "database"),
    [
        ("postgres://u:p@h/db", "u", "p", "h", 5432, "db"),
        ("POSTGRESQL://u:p@h/db", "u", "p", "h", 5432, "db"),
        ("  postgresql://u:p@h:6543/db\n", "u", "p", "h", 6543, "db"),
        ("postgresql://u@h/db", "u", "", "h", 5432, "db"),
        ("postgresql://u:@h/db", "u", "", "h", 5432, "db"),
        ("postgresql://localhost/db", "", "", "localhost", 5432, "db"),
        ("postgresql://u:p%40s%2Fs@h/db", "u", "p@s/s", "h", 5432, "db"),
        ("postgresql://u:p@s:/#?s@h/db", "u", "p@s:/#?s", "h", 5432, "db"),
        ("postgresql://u:100%@h/db", "u", "100%", "h", 5432, "db"),
        ("postgresql://u:a+b@h/db", "u", "a+b", "h", 5432, "db"),
        ("postgresql://me@server:p@h/db", "me@server", "p", "h", 5432, "db"),
        ("postgresql://u:p@[2001:DB8:0::1]:7/db", "u", "p", "2001:db8::1", 7, "db"),
        ("postgresql://u:p@localhost/db?host=/run/pg", "u", "p", "/run/pg", 5432, "db"),
        ("postgresql://u:p@/db?host=/run/pg", "u", "p", "/run/pg", 5432, "db"),
        ("postgresql://u:p@%2Frun%2Fpg:7/db", "u", "p", "/run/pg", 7, "db"),
        ("postgresql://u:p@h/db?port=7&user=v&password=q", "v", "q", "h", 7, "db"),
        ("postgresql://u:p@h/db?application_name=me@example.com", "u", "p", "h", 5432, "db"),
    ],
)  # fmt: skip
def test_the_shapes_of_the_field_are_understood(text, user, password, host, port, database):
    url = DatabaseUrl.parse(text)
    assert (url.user, url.password.reveal(), url.host, url.port, url.database) == (
        user,
        password,
        host,
        port,
        database,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("prisma://accelerate.example/?api_key=S3cret", "Prisma Accelerate"),
        ("prisma+postgres://localhost:51213/?api_key=S3cret", "Prisma Postgres"),
        ("file:./dev.db", "SQLite"),
        ("mysql://u:S3cret@h/db", "MySQL"),
        ("sqlserver://h;password=S3cret", "SQL Server"),
        ("postgresql+asyncpg://u:S3cret@h/db", "another language"),
        ("postgresql:u:S3cret@h/db", "lacks the //"),
        ("host=h password=S3cret", "key=value"),
        ("psql 'postgresql://u:S3cret@h/db'", "psql command"),
        ('"postgresql://u:S3cret@h/db"', "quote"),
        ("${DATABASE_URL}", "reference"),
        ("postgresql://u:S3cret@h1:1,h2:2/db", "several hosts"),
        ("postgresql://u:S3cret@h/db?host=a,b", "several hosts"),
        ("postgresql://u:S3cret@[fe80::1%25eth0]/db", "zone id"),
        ("postgresql://u:S3cret@h", "no database"),
        ("postgresql://u:S3cret@h/", "no database"),
        ("postgresql://u:S3cret@h?schema=x", "no database"),
        ("postgresql://u:S3cret@h/a%20b", "database name"),
        ("postgresql://u:S3cret@h/..", "relative path"),
        ("postgresql://u:S3cret@h:x/db", "port"),
        ("postgresql://u:S3cret@h:0/db", "port"),
        ("postgresql://u:S3cret@h:65536/db", "port"),
        ("postgresql://u:S3cret@h/db?sslmode=required", "sslmode"),
        ("postgresql://u:S3cret@h/db?dbname=other", "dbname"),
        ("postgresql://u:S3cret@h/db?hostaddr=10.0.0.1", "hostaddr"),
        ("postgresql://u:S3cret%@h%40/db", "host"),
        ("postgresql://u:S3cret%41%@h/db", "ambiguous"),
        ("postgresql://u:S3cret%00@h/db", "zero byte"),
        ("postgresql://u:S3cret%ff@h/db", "UTF-8"),
        ("postgresql://u:S3c\nret@h/db", "control character"),
        ("postgresql://:S3cret@h/db", "no user"),
        ("postgresql://u:S3cret@/db", "no host"),
        ("postgresql://u:S3cret?x=1@h/db?y=a@b/c", "2 ways"),
        ("postgresql://u:S3cret@h/db?x", "key=value"),
        ("postgresql://u:S3cret@h/db?x=a#b", "%23"),
        ("postgresql://u:S3cret@exämple.com/db", "host"),
        ("postgresql://u:S3cret@[12345::]/db", "IPv6"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_its_reason_and_without_the_secret(text, says):
    with pytest.raises(UrlError) as caught:
        DatabaseUrl.parse(text, name="DIRECT_URL")
    error = caught.value
    told = " ".join((error.what, *error.facts, error.why, error.fix))
    assert says in told
    assert "S3c" not in told


@pytest.mark.parametrize(
    "made",
    [
        lambda: "postgresql://u:S3cret@h/db x",
        lambda: "postgresql://u:S3cret%ff@h/db",
        lambda: "mysql://u:S3cret@h/db",
    ],
)
def test_a_refused_url_is_in_no_local_variable_of_a_traceback(made):
    with pytest.raises(UrlError) as caught:
        DatabaseUrl.parse(made())
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "in parse" in shown
    assert "S3cret" not in shown
    assert caught.value.__context__ is None


@given(urls())
def test_the_locals_of_a_frame_that_holds_a_url_show_no_password(url):
    url = DatabaseUrl("u", Secret("Zq77qZ"), url.host, 1, url.database, (("sslpassword", "Zq77qZ"),))
    keywords = url.libpq()
    with pytest.raises(KeyError) as caught:
        keywords["no such keyword"]
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "Zq77qZ" not in shown
    assert "keywords = HiddenValues(" in shown
    assert "url = DatabaseUrl(" in shown
    assert keywords["password"] == "Zq77qZ"


def test_libpq_gets_only_what_it_knows_and_the_env_form_keeps_everything():
    text = (
        "postgresql://u:p@h/db?schema=shop&connection_limit=5&pool_timeout=3&socket_timeout=9&pgbouncer=true&sslaccept=strict"
        "&sslidentity=a.p12&statement_cache_size=0&single_use_connections=true&connect_timeout=7&sslcert=ca.pem"
        "&application_name=shop&options=-c+search_path%3Dx&channel_binding=prefer&ssl=true&invented=1"
    )  # fmt: skip
    url = DatabaseUrl.parse(text)
    assert dict(url.libpq()) == {
        "user": "u", "password": "p", "host": "h", "port": "5432", "dbname": "db", "sslmode": "require",
        "application_name": "shop", "options": "-c search_path=x", "channel_binding": "prefer",
    }  # fmt: skip
    assert url.search_path == "shop"
    assert [key for key, _ in url.parameters] == re.findall(r"[?&](\w+)=", text)
    assert [key for key, _ in DatabaseUrl.parse(url.env_form()).parameters] == re.findall(r"[?&](\w+)=", text)
    assert any("invented" in warning for warning in url.warnings())


@given(urls())
def test_libpq_itself_accepts_every_dictionary(url):
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    keywords = url.libpq()
    assert conninfo_to_dict(make_conninfo("", **keywords)) == keywords | {"port": keywords["port"]}


@pytest.mark.parametrize(
    ("query", "sslmode"),
    [
        ("", "prefer"), ("ssl=true", "require"), ("ssl=0", "disable"), ("sslmode=no-verify", "require"),
        ("sslmode=verify-full&ssl=0", "verify-full"), ("sslmode=disable", "disable"), ("sslmode=require&sslmode=disable", "disable"),
    ],
)  # fmt: skip
def test_tls_parameters_are_translated_for_libpq(query, sslmode):
    assert DatabaseUrl.parse(f"postgresql://u:p@h/db?{query}").libpq()["sslmode"] == sslmode


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True), ("db.localhost", True), ("LOCALHOST", True),
        ("10.0.0.1", False), ("db.example.com", False), ("127.0.0.1.example.com", False), ("localhost.example.com", False),
    ],
)  # fmt: skip
def test_local_means_this_machine_by_name(host, local):
    assert DatabaseUrl.parse(f"postgresql://u@{host}/db").is_local is local


def test_masked_keeps_what_people_need_and_hides_the_rest():
    url = DatabaseUrl.parse(
        "postgresql://u:S3cret@h:6543/db?schema=x&sslpassword=S3cret&token=S3cret&options=S3cret"
    )
    assert url.masked() == "postgresql://u:***@h:6543/db?schema=x&sslpassword=***&token=***&options=***"


def test_scheme_and_port_stay_as_written_and_do_not_count_for_equality():
    first, second = DatabaseUrl.parse("postgres://u:p@h/db"), DatabaseUrl.parse("postgresql://u:p@h:5432/db")
    assert first == second
    assert first.env_form() == "postgres://u:p@h/db"
    assert second.env_form() == "postgresql://u:p@h:5432/db"


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1.", "1.2.3.256"]
)
def test_an_ipv4_address_in_a_spelling_that_hides_the_machine_is_refused(host: str) -> None:
    with pytest.raises(UrlError, match="IPv4"):
        DatabaseUrl.parse(f"postgresql://u:p@{host}:5432/app")
