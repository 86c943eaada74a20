"""Reading env files from disk: what is no plain file is an error, and nothing hangs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from dbswitch.envfiles.effective_values import MAX_BYTES, read_env_files, verify_on_disk
from dbswitch.envfiles.precedence import DEV_FILES, Reader, ReaderProfile
from dbswitch.errors import EnvFileError

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = (ReaderProfile(Reader.NEXT_DEV, DEV_FILES), ReaderProfile(Reader.PRISMA, (".env",)))


def test_only_the_files_that_exist_are_read_byte_for_byte_through_symlinks(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"A=\xff\r\n")
    (tmp_path / ".env").symlink_to("real")
    (tmp_path / ".env.test").write_bytes(b"B=1")
    assert read_env_files(tmp_path) == {".env": b"A=\xff\r\n"}


def test_a_fifo_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    with pytest.raises(EnvFileError, match="not a regular file") as refusal:
        read_env_files(tmp_path)
    assert "FIFO" in refusal.value.facts[0]


def test_a_directory_and_a_dangling_symlink_are_errors(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(EnvFileError, match="not a regular file"):
        read_env_files(tmp_path)
    (tmp_path / ".env.local").symlink_to("nowhere")
    with pytest.raises(EnvFileError, match="dangling symlink"):
        read_env_files(tmp_path, (".env.local",))


def test_a_symlink_to_itself_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(".env")
    with pytest.raises(EnvFileError, match="cannot be read"):
        read_env_files(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=1")
    (tmp_path / ".env").chmod(0)
    with pytest.raises(EnvFileError, match="cannot be read"):
        read_env_files(tmp_path)


def test_a_huge_file_is_no_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(EnvFileError, match="larger than"):
        read_env_files(tmp_path)


def test_the_values_on_disk_are_compared_reader_by_reader(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"K=old\n")
    (tmp_path / ".env.local").write_bytes(b"K=new\n")
    assert verify_on_disk(tmp_path, {"K": "new"}, PROFILES) == ("Prisma CLI gets a different K from .env",)
    (tmp_path / ".env").write_bytes(b"K=new\n")
    assert verify_on_disk(tmp_path, {"K": "new"}, PROFILES) == ()
    assert verify_on_disk(tmp_path, {"MISSING": "x"}, PROFILES) == (
        "Next.js dev gets no MISSING from any file",
    )
    assert len(verify_on_disk(tmp_path, {}, PROFILES, frozenset({"K"}))) == 2
