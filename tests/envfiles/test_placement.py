"""Which file gets which variable, seen through the plan."""

from __future__ import annotations

import pytest

from dbswitch.envfiles.placement import EditPlan, plan_edits
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile, disagreements
from dbswitch.errors import EnvFileError, ProtectedError

NEW = "postgres://new:n@db/app?a=1&b=2"
NEXT = ReaderProfile(Reader.NEXT_DEV, DEV_FILES)
PRISMA = ReaderProfile(Reader.PRISMA, (".env",))
PRISMA_LOCAL_FIRST = ReaderProfile(Reader.PRISMA, (".env.local", ".env"))


class Known:
    """What targets set: `values` by variable, None for everything; no value leads anywhere."""

    def __init__(self, values: dict[str, set[str]] | None) -> None:
        self.values = values

    def known(self, key: str, value: str) -> bool:
        return self.values is None or value in self.values.get(key, set())

    def lasting(self, key: str, value: str) -> bool:
        return True

    def misleads(self, key: str, value: str) -> bool:
        return False

    belongs = misleads

    def protected_owner(self, key: str, value: str) -> str | None:
        return None


def plan(
    files: dict[str, bytes],
    variables: dict[str, str] | None = None,
    *,
    absent: tuple[str, ...] = (),
    tracked: tuple[str, ...] = (),
    protected: bool = False,
    profiles: tuple[ReaderProfile, ...] = (NEXT, PRISMA),
    known: dict[str, set[str]] | None = None,
) -> EditPlan:
    return plan_edits(
        files=files,
        variables={"DATABASE_URL": NEW} if variables is None else variables,
        absent=frozenset(absent),
        profiles=profiles,
        tracked=frozenset(tracked),
        protected=protected,
        knowledge=Known(known),
    )


def after(files: dict[str, bytes], edits: EditPlan) -> dict[str, bytes]:
    return files | {edit.name: edit.new for edit in edits.edits}


def test_every_dev_file_that_binds_the_variable_is_set_and_the_deciding_one_comes_last() -> None:
    files = {name: f"# {name}\nDATABASE_URL=old\n".encode() for name in DEV_FILES}
    edits = plan(files)
    assert [edit.name for edit in edits.edits] == list(reversed(DEV_FILES))
    for edit in edits.edits:
        assert edit.old == files[edit.name]
        assert edit.new == f'# {edit.name}\nDATABASE_URL="{NEW}"\n'.encode()
        assert edit.keys == ("DATABASE_URL",)
    assert edits.notices == ()


def test_files_that_do_not_bind_it_and_files_of_other_environments_are_left_alone() -> None:
    files = {".env": b"DATABASE_URL=old\n", ".env.local": b"DATABASE_URL_LOCAL=mine\n"}
    others = dict.fromkeys(
        (".env.example", ".env.test", ".env.test.local", ".env.production"), b"DATABASE_URL=x\n"
    )
    assert [edit.name for edit in plan(files | others).edits] == [".env"]


def test_nothing_to_do_is_an_empty_plan() -> None:
    files = {".env": f'DATABASE_URL="{NEW}"\n'.encode()}
    assert plan(files) == EditPlan((), ())


def test_an_unbound_variable_goes_where_next_js_and_prisma_both_read() -> None:
    created = plan({})
    assert [(e.name, e.old) for e in created.edits] == [(".env", None)]
    assert "created" in created.notices[0]
    files = {".env": b"A=1\n", ".env.local": b"B=1\n"}
    assert [e.name for e in plan(files).edits] == [".env"]
    assert [e.name for e in plan(files, profiles=(NEXT, PRISMA_LOCAL_FIRST)).edits] == [".env.local"]
    tracked = plan(files, profiles=(NEXT, PRISMA_LOCAL_FIRST), tracked=(".env.local",))
    assert [e.name for e in tracked.edits] == [".env"]


def test_a_companion_goes_beside_the_other_variables_of_the_target() -> None:
    files = {".env": b"DATABASE_URL=old\n", ".env.local": b"OTHER=1\n"}
    edits = plan(files, {"DATABASE_URL": NEW, "TOKEN": "abc"}, profiles=(NEXT, PRISMA_LOCAL_FIRST))
    assert [(e.name, e.keys) for e in edits.edits] == [(".env", ("DATABASE_URL", "TOKEN"))]


def test_no_file_read_by_both_is_refused() -> None:
    elsewhere = ReaderProfile(Reader.PRISMA, ("prisma/.env",))
    with pytest.raises(EnvFileError, match="no env file is read by both"):
        plan({".env": b"A=1\n"}, profiles=(NEXT, elsewhere))


def test_a_reader_decided_by_a_file_out_of_reach_is_refused() -> None:
    elsewhere = ReaderProfile(Reader.PRISMA, ("prisma/.env", ".env"))
    files = {".env": b"DATABASE_URL=old\n", "prisma/.env": b"DATABASE_URL=other\n"}
    with pytest.raises(EnvFileError, match="would not agree") as refusal:
        plan(files, profiles=(NEXT, elsewhere))
    assert "prisma/.env" in " ".join(refusal.value.facts)


def test_a_variable_the_target_lacks_is_parked_and_comes_back_with_its_old_value() -> None:
    start = {
        ".env": b"DATABASE_URL=\"old\"\nexport DIRECT_URL='direct'  # kept\n",
        ".env.local": b'DIRECT_URL="two"\r\n',
    }
    there = plan(start, absent=("DIRECT_URL", "NEVER_BOUND"))
    between = after(start, there)
    assert (
        between[".env"]
        == f"DATABASE_URL=\"{NEW}\"\n# dbswitch:parked export DIRECT_URL='direct'  # kept\n".encode()
    )
    assert disagreements(between, {"DATABASE_URL": NEW}, frozenset({"DIRECT_URL"}), (NEXT, PRISMA)) == ()
    back = plan(between, {"DATABASE_URL": "old", "DIRECT_URL": "direct"})
    assert after(between, back) == start | {".env.local": b'DIRECT_URL="direct"\r\n'}


def test_a_binding_written_while_another_was_parked_is_the_one_that_counts() -> None:
    files = {".env": b"# dbswitch:parked DATABASE_URL=parked\nDATABASE_URL=mine\n"}
    assert (
        plan(files).edits[0].new == f'# dbswitch:parked DATABASE_URL=parked\nDATABASE_URL="{NEW}"\n'.encode()
    )


def test_a_tracked_file_is_left_alone_where_a_higher_one_decides_for_every_reader() -> None:
    files = {".env": b"DATABASE_URL=placeholder\n", ".env.local": b"DATABASE_URL=old\n"}
    edits = plan(files, tracked=(".env",), protected=True, profiles=(NEXT, PRISMA_LOCAL_FIRST))
    assert [edit.name for edit in edits.edits] == [".env.local"]


def test_a_tracked_file_that_decides_for_one_reader_refuses_a_protected_target_with_the_way_out() -> None:
    files = {".env": b"DATABASE_URL=placeholder\n", ".env.local": b"DATABASE_URL=old\n"}
    with pytest.raises(ProtectedError) as refusal:
        plan(files, tracked=(".env",), protected=True)
    assert "Prisma CLI" in refusal.value.what
    assert ".env.local" in refusal.value.fix
    assert "git rm --cached .env" in refusal.value.fix


def test_a_tracked_file_that_decides_gets_other_targets_with_a_notice() -> None:
    files = {".env": b"DATABASE_URL=placeholder\n"}
    edits = plan(files, tracked=(".env",))
    assert [edit.name for edit in edits.edits] == [".env"]
    assert "tracked by git" in edits.notices[0]


def test_an_unbound_variable_of_a_protected_target_is_not_put_into_a_tracked_file() -> None:
    with pytest.raises(ProtectedError):
        plan({".env": b"A=1\n"}, tracked=(".env",), protected=True)


def test_a_reader_that_gets_the_url_from_no_file_is_named() -> None:
    edits = plan({".env.local": b"DATABASE_URL=old\n"})
    assert [edit.name for edit in edits.edits] == [".env.local"]
    assert any("Prisma CLI gets no DATABASE_URL" in notice for notice in edits.notices)


def test_a_token_that_readers_would_see_differently_is_refused_by_name() -> None:
    with pytest.raises(EnvFileError, match="BLOB_READ_WRITE_TOKEN") as refusal:
        plan({".env": b"DATABASE_URL=x\n"}, {"DATABASE_URL": NEW, "BLOB_READ_WRITE_TOKEN": "secret$HOME"})
    assert "secret" not in f"{refusal.value} {refusal.value.facts}"


def test_a_file_that_next_js_drops_whole_is_refused() -> None:
    with pytest.raises(EnvFileError, match="would not agree"):
        plan({".env": b'PATHS="x$PATHS"\nDATABASE_URL=old\n'})


def test_a_shell_that_cannot_read_the_file_is_a_notice() -> None:
    edits = plan({".env": b"MAIL=Acme <a@b.c>\nDATABASE_URL=old\n"})
    assert any("shell" in notice for notice in edits.notices)


def test_no_repr_of_a_plan_shows_a_value() -> None:
    assert "postgres" not in repr(plan({".env": b"DATABASE_URL=postgres://old\n"}))


def test_a_value_that_no_target_has_is_kept_as_a_comment_and_comes_back_byte_for_byte() -> None:
    known = {"DATABASE_URL": {"local", NEW}, "TOKEN": {"prod"}}
    before = {".env": b"# mine\r\nexport TOKEN='my own'  # do not lose\r\nDATABASE_URL=\"local\"\r\n"}
    prod = plan(before, {"DATABASE_URL": NEW, "TOKEN": "prod"}, known=known)
    there = after(before, prod)
    assert b"# dbswitch:kept export TOKEN='my own'  # do not lose\r\n" in there[".env"]
    assert b"export TOKEN='prod'  # do not lose\r\n" in there[".env"]
    assert any("TOKEN" in notice and "kept" in notice for notice in prod.notices)
    back = plan(there, {"DATABASE_URL": "local"}, absent=("TOKEN",), known=known)
    assert after(there, back) == before
    assert back.gone == frozenset()


def test_a_value_of_ones_own_stays_where_neither_target_sets_the_variable() -> None:
    files = {".env": b"DATABASE_URL=local\nTOKEN=mine\n"}
    edits = plan(files, {"DATABASE_URL": NEW}, absent=("TOKEN",), known={"DATABASE_URL": {"local", NEW}})
    assert b"\nTOKEN=mine\n" in after(files, edits)[".env"]


def test_going_to_and_fro_keeps_one_copy_only() -> None:
    known = {"DATABASE_URL": {"local", NEW}, "TOKEN": {"prod", "staging"}}
    before = {".env": b'DATABASE_URL="local"\nTOKEN=mine\n'}
    files = before
    for token in ("prod", "staging", "prod"):
        files = after(files, plan(files, {"DATABASE_URL": NEW, "TOKEN": token}, known=known))
    assert files[".env"].count(b"dbswitch:kept") == 1
    back = plan(files, {"DATABASE_URL": "local"}, absent=("TOKEN",), known=known)
    assert after(files, back) == before


def test_the_url_of_a_database_that_no_target_names_is_not_lost() -> None:
    files = {".env": b"DATABASE_URL=postgres://me@somewhere/else\n"}
    edits = plan(files, known={"DATABASE_URL": {NEW}})
    assert after(files, edits)[".env"] == (
        b"# dbswitch:kept DATABASE_URL=postgres://me@somewhere/else\n" + f'DATABASE_URL="{NEW}"\n'.encode()
    )
    assert edits.edits[0].keys == ("DATABASE_URL",)


def test_two_own_values_that_were_parked_one_after_the_other_are_both_kept() -> None:
    files = {".env": b"# dbswitch:parked DATABASE_URL=older\n# dbswitch:parked DATABASE_URL=newer\n"}
    kept = after(files, plan(files, known={"DATABASE_URL": {NEW}}))[".env"]
    assert b"# dbswitch:kept DATABASE_URL=older\n" in kept
    assert b"# dbswitch:kept DATABASE_URL=newer\n" in kept
