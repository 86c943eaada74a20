"""What a reader gets when several files, and the process, bind a variable."""

from __future__ import annotations

from dbswitch.envfiles.precedence import AMBIENT, DEV_FILES, Reader, ReaderProfile, effective

NEXT = ReaderProfile(Reader.NEXT_DEV, DEV_FILES)
PRISMA = ReaderProfile(Reader.PRISMA, (".env",))
SHELL = ReaderProfile(Reader.SHELL, (".env",))
FILES = {name: f"K={name}\n".encode() for name in DEV_FILES}


def test_next_js_takes_the_highest_file_and_names_the_ones_it_shadows() -> None:
    for number, name in enumerate(DEV_FILES):
        left = {other: FILES[other] for other in DEV_FILES[number:]}
        got = effective("K", NEXT, left, {})
        assert (got.value, got.source, got.shadowed) == (name, name, DEV_FILES[number + 1 :])


def test_a_variable_of_the_process_beats_every_file_even_empty() -> None:
    got = effective("K", NEXT, FILES, {"K": ""})
    assert (got.value, got.source, got.shadowed) == ("", AMBIENT, DEV_FILES)
    assert effective("K", PRISMA, FILES, {"K": "x"}).value == "x"


def test_prisma_reads_its_own_files_without_expansion() -> None:
    got = effective("K", PRISMA, {".env": b'A=1\nK="x$A"\n', ".env.local": b"K=other\n"}, {})
    assert (got.value, got.source, got.shadowed) == ("x$A", ".env", ())
    assert effective("K", NEXT, {".env": b'A=1\nK="x$A"\n'}, {}).value == "x1"


def test_what_only_a_running_shell_knows_is_not_known() -> None:
    assert effective("K", SHELL, {".env": b"K=$X\n"}, {}).value is None


def test_the_last_duplicate_of_a_file_wins() -> None:
    assert effective("K", NEXT, {".env": b"K=1\nK=2\n"}, {}).value == "2"


def test_a_file_that_next_js_drops_does_not_decide() -> None:
    files = {".env.local": b'K=1\nA="x$A"\n', ".env": b"K=2\n"}
    got = effective("K", NEXT, files, {})
    assert (got.value, got.source) == ("2", ".env")


def test_what_is_bound_nowhere_has_no_source_and_no_repr_shows_a_value() -> None:
    got = effective("K", NEXT, {}, {})
    assert (got.value, got.source, got.shadowed) == (None, None, ())
    assert "hunter2" not in repr(effective("K", NEXT, {".env": b"K=hunter2\n"}, {}))
