"""Prisma's migrations folder against the table of what was applied."""

from __future__ import annotations

import hashlib

import pytest

from dbswitch.database.failures import Failure
from dbswitch.database.migrations import Applied, MigrationState, compare, read_scripts
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.errors import ConfigError
from tests.database.conftest import url_for


def digest(script: bytes) -> str:
    return hashlib.sha256(script).hexdigest()


def row(name, script=b"", *, finished=True, rolled_back=False):
    return Applied(name, digest(script), finished, rolled_back)


def migration_state(url, folder):
    limits = ProbeLimits(deadline=10)
    return wait_until_ready(url, limits, scripts=read_scripts(folder)).migrations


def test_pending_failed_edited_and_missing_are_told_apart():
    scripts = {"1_init": b"a", "2_more": b"b", "3_changed": b"new", "4_broken": b"d", "5_next": b"e"}
    rows = [
        row("1_init", b"a"), row("2_more", b"b"), row("3_changed", b"old"), row("4_broken", b"d", finished=False), row("0_gone", b"z"),
    ]  # fmt: skip
    assert compare(scripts, rows) == MigrationState(
        pending=("5_next",), failed=("4_broken",), edited=("3_changed",), missing=("0_gone",)
    )


def test_a_rolled_back_try_does_not_count_and_a_later_success_does():
    tries = [row("1", b"a", finished=False, rolled_back=True)]
    state = compare({"1": b"a"}, tries)
    assert (state.pending, state.rolled_back) == (("1",), ("1",))
    assert not compare({"1": b"a"}, [*tries, row("1", b"a")]).describe("x")


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (MigrationState(), ""),
        (MigrationState(pending=("1",)), "prod lacks 1 migration of this branch"),
        (
            MigrationState(pending=("1", "2"), rolled_back=("1",)),
            "prod lacks 2 migrations of this branch (1 of them rolled back)",
        ),
        (
            MigrationState(failed=("1",), edited=("2", "3"), missing=("4",)),
            (
                "prod has 1 migration that failed, has applied 2 migrations that were edited since and has applied 1"
                " migration that this branch does not have"
            ),
        ),
    ],
)
def test_one_line_says_how_they_differ(state, line):
    assert state.describe("prod") == line


def test_line_endings_and_old_checksums_are_no_edit():
    script = b"SELECT 1;\nSELECT 2;\n"
    windows = script.replace(b"\n", b"\r\n")
    assert not compare({"1": script}, [row("1", windows)]).describe("x")
    assert not compare({"1": windows}, [row("1", script)]).describe("x")
    unpadded = "".join(f"{byte:x}" for byte in hashlib.sha256(script).digest())
    assert len(unpadded) < 64
    assert not compare({"1": script}, [Applied("1", unpadded, finished=True, rolled_back=False)]).describe(
        "x"
    )
    assert compare({"1": script + b" "}, [row("1", script)]).edited == ("1",)


def test_only_folders_with_a_script_are_migrations_and_no_folder_is_none(tmp_path):
    for name in ("20240102_b", "20240101_a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "migration.sql").write_bytes(name.encode())
    (tmp_path / "empty").mkdir()
    (tmp_path / "migration_lock.toml").write_text("")
    assert list(read_scripts(tmp_path)) == ["20240101_a", "20240102_b"]
    assert read_scripts(tmp_path / "nowhere") == {}


def test_a_folder_that_cannot_be_read_is_said(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigError):
        read_scripts(tmp_path / "loop")


@pytest.mark.real
def test_a_real_database_is_compared_in_the_urls_schema(server, tmp_path):
    for name, script in (("1_init", b"SELECT 1;"), ("2_next", b"SELECT 2;")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "migration.sql").write_bytes(script)
    server.create_database("migrated")
    odd = url_for(server, "migrated", query="?schema=o'd%5Cd%22s")
    with server.connect("migrated") as connection:
        connection.execute("""CREATE SCHEMA "o'd\\d""s" """)
        connection.execute("""GRANT USAGE ON SCHEMA "o'd\\d""s" TO PUBLIC""")
        connection.execute(
            """CREATE TABLE "o'd\\d""s"."_prisma_migrations" (checksum text, migration_name text, finished_at timestamptz,"""
            " rolled_back_at timestamptz, started_at timestamptz DEFAULT now())"
        )
        connection.execute(
            """INSERT INTO "o'd\\d""s"."_prisma_migrations" VALUES (%s, '1_init', now())""",
            (digest(b"SELECT 1;"),),
        )
        refused = migration_state(odd, tmp_path)
        assert isinstance(refused, Failure)
        assert "permission denied" in refused.said
        connection.execute("""GRANT SELECT ON ALL TABLES IN SCHEMA "o'd\\d""s" TO PUBLIC""")
    assert migration_state(odd, tmp_path) == MigrationState(pending=("2_next",))
    nothing_yet = migration_state(url_for(server, "migrated"), tmp_path)
    assert nothing_yet == MigrationState(pending=("1_init", "2_next"), has_table=False)
    with server.connect("migrated") as connection:
        connection.execute("CREATE TABLE public.users (id int)")
    pushed = migration_state(url_for(server, "migrated"), tmp_path)
    assert pushed == MigrationState(pending=("1_init", "2_next"), has_table=False, tables=1)
