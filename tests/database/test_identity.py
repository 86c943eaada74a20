"""An identity says which server and database answered."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from dbswitch.database.identity import IDENTITY_SQL, PLAIN_IDENTITY_SQL, Identity
from dbswitch.database.login import session
from dbswitch.database.probe import wait_until_ready
from dbswitch.database.url import DatabaseUrl
from tests.database.conftest import url_for

ONE = Identity(
    "shop", "16384", "1700000000000001", "7710931863329532400", "18.4", in_recovery=False, read_only=False
)


def test_the_same_answer_is_the_same_database():
    assert ONE.same_as(replace(ONE))
    assert ONE.same_as(replace(ONE, read_only=True, server_version="18.5"))
    assert ONE.same_as(replace(ONE, system_identifier=None)), "one of the two may not read it"


@pytest.mark.parametrize(
    "other",
    [
        replace(ONE, database="other"), replace(ONE, database_oid="16385"), replace(ONE, system_identifier="1"),
        replace(ONE, started_at="1700000000000002"),
    ],
)  # fmt: skip
def test_any_difference_in_place_or_start_is_another_database(other):
    assert not ONE.same_as(other)
    assert not other.same_as(ONE)


def test_a_restart_is_told_from_another_database():
    assert ONE.restart_of(replace(ONE, started_at="1800000000000000"))
    assert not ONE.restart_of(replace(ONE, started_at="1800000000000000", database_oid="1"))
    assert not ONE.restart_of(ONE)


@pytest.mark.parametrize(
    "identity", [ONE, replace(ONE, system_identifier=None, in_recovery=True, read_only=True)]
)
def test_an_identity_survives_json(identity):
    sent = json.loads(json.dumps(identity.to_json()))
    assert Identity.from_json(sent) == identity
    assert all(isinstance(value, str) for value in sent.values())


FULL = replace(ONE, schema="public", role="app")


def test_another_role_or_schema_on_the_same_database_is_a_difference_with_its_names():
    assert not FULL.differs_in(FULL)
    assert FULL.differs_in(replace(FULL, role="owner")) == "as role app, not owner"
    assert FULL.differs_in(replace(FULL, schema="staging")) == 'in schema "public", not schema "staging"'
    assert replace(FULL, schema="").differs_in(FULL) == 'in no schema, not schema "public"'
    follows = replace(FULL, model_schema="public")
    assert follows.differs_in(replace(FULL, model_schema="staging"))
    assert not replace(FULL, model_schema="staging").differs_in(replace(FULL, model_schema="staging"))


def test_what_the_route_does_not_tell_is_left_open_and_never_a_match():
    assert "does not report schema and role" in ONE.leaves_open(FULL)
    assert not FULL.leaves_open(FULL)
    named = replace(FULL, model_schema="staging")
    assert not FULL.differs_in(named), "a driver adapter's own option is not in the search path"
    assert "cannot tell whether its models use" in FULL.leaves_open(named)
    assert not replace(FULL, schema="staging").leaves_open(named), "Prisma's own engine sets the search path"
    assert not replace(FULL, model_schema="staging").leaves_open(named)


@pytest.mark.parametrize(
    "broken",
    [
        {"database": None}, {"database": ""}, {"databaseOid": 16384}, {"startedAt": None}, {"systemIdentifier": 7},
        {"inRecovery": "perhaps"}, {"readOnly": None}, {"role": 7},
    ],
)  # fmt: skip
def test_an_incomplete_answer_is_no_identity(broken):
    with pytest.raises(ValueError, match="identity"):
        Identity.from_json(ONE.to_json() | broken)


@pytest.mark.real
def test_one_statement_serves_those_who_may_read_the_system_identifier_and_those_who_may_not(server):
    server.create_database("guarded")
    url = url_for(server, "guarded")
    allowed = wait_until_ready(url).identity
    assert allowed.system_identifier is not None
    assert [(allowed.system_identifier,)] == server.execute(
        "SELECT system_identifier::text FROM pg_control_system()"
    )
    server.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", database="guarded")
    with session(url, 5) as asked:
        assert asked.query(IDENTITY_SQL)[0]["systemIdentifier"] is None
    barred = wait_until_ready(url).identity
    assert barred == replace(allowed, system_identifier=None)
    assert barred.same_as(allowed)


@pytest.mark.real
def test_identities_of_two_servers_differ_and_a_restart_is_seen(server, fresh_postgres):
    fresh = fresh_postgres()
    here, there = (wait_until_ready(url).identity for url in (url_for(server), DatabaseUrl.parse(fresh.url)))
    assert not here.same_as(there)
    fresh.server.stop()
    fresh.server.start()
    after = wait_until_ready(DatabaseUrl.parse(fresh.url)).identity
    assert after.restart_of(there)
    assert not after.same_as(there)


@pytest.mark.real
def test_both_statements_have_the_same_columns_and_only_text(server):
    columns = [
        "database",
        "databaseOid",
        "startedAt",
        "systemIdentifier",
        "serverVersion",
        "inRecovery",
        "readOnly",
        "schema",
        "role",
    ]
    for statement in (IDENTITY_SQL, PLAIN_IDENTITY_SQL):
        with server.connect() as connection:
            cursor = connection.execute(statement)
            assert [column.name for column in cursor.description] == columns
            assert {column.type_code for column in cursor.description} == {25}
