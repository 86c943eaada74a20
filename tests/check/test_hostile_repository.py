"""What a repository's own git configuration names is never executed, and git's judgement of ownership stands."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from dbswitch.project import git
from tests.check.corpus import APP, REAL, SUFFIXED
from tests.cli.running import run

if TYPE_CHECKING:
    from pathlib import Path

LOOKING = (
    ("status",),
    ("local", "--dry-run"),
    ("doctor",),
    ("check",),
    ("check", "--strict", "--json"),
    ("check", "--all"),
    ("check", "--rev", "HEAD~1..HEAD"),
    ("check", "--fix"),
)
SIGNED = """tree {tree}
parent {parent}
author t <t@example.test> 1700000000 +0000
committer t <t@example.test> 1700000000 +0000
gpgsig -----BEGIN PGP SIGNATURE-----
 iQ==
 -----END PGP SIGNATURE-----

signed
"""
root_only = pytest.mark.root


class Hostile:
    """A repository whose configuration names programs; each leaves a file of its own name in `canaries`."""

    def __init__(self, repository, folder: Path) -> None:
        self.root: Path = repository.root
        self.repository = repository
        self.canaries = folder / "canaries"
        self.canaries.mkdir()
        self.programs = folder / "programs"
        self.programs.mkdir()

    def program(self, name: str) -> str:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\ntouch {self.canaries}/{name}\nexit 1\n")
        path.chmod(0o755)
        return str(path)

    def config(self, name: str, value: str) -> None:
        self.repository.git("config", name, value)

    def name_programs(self) -> None:
        """Name a program wherever a reading git could start one."""
        included = self.root / ".git" / "more"
        self.config("include.path", str(included))
        for name in (
            "core.fsmonitor", "core.sshCommand", "core.gitProxy", "core.askPass", "core.pager", "core.editor",
            "core.alternateRefsCommand", "diff.external", "diff.evil.textconv", "diff.evil.command",
            "filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "gpg.program", "gpg.openpgp.program",
            "credential.helper", "pager.log", "pager.diff", "pager.ls-files", "interactive.diffFilter",
            "uploadpack.packObjectsHook", "remote.evil.uploadpack", "trace2.normalTarget",
        ):  # fmt: skip
            program = self.program(name)
            subprocess.run(["git", "config", "--file", included, name, program], check=True)
        for name in ("diff", "log", "ls-files", "rev-parse", "cat-file", "check-ignore", "remote-none"):
            self.config(f"alias.{name}", "!" + self.program(f"alias.{name}"))
        for name in (
            "post-index-change",
            "fsmonitor-watchman",
            "pre-commit",
            "post-checkout",
            "reference-transaction",
        ):
            self.program(name)
        self.config("core.hooksPath", str(self.programs))
        self.config("log.showSignature", "true")
        self.config("protocol.allow", "always")
        self.config("protocol.file.allow", "always")
        (self.root / ".git/info").mkdir(exist_ok=True)
        (self.root / ".git/info/attributes").write_text("* diff=evil filter=evil\n")

    def fetch_what_is_missing(self, url: str) -> None:
        """Let git fetch missing objects from a remote, as in a partial clone."""
        self.config("core.repositoryFormatVersion", "1")
        self.config("extensions.partialClone", "evil")
        self.config("remote.evil.promisor", "true")
        self.config("remote.evil.url", url)

    def lose(self, name: str) -> None:
        (self.root / ".git/objects" / name[:2] / name[2:]).unlink()

    def ran(self) -> list[str]:
        return sorted(path.name for path in self.canaries.iterdir())


@pytest.fixture
def hostile(repository, tmp_path):
    repository.commit({**APP, "src/a.ts": "export {}\n", "far/away/b.ts": "export {}\n"})
    repository.commit({"src/a.ts": "export const a = 1\n"})
    repository.write({".env.local": SUFFIXED})
    return Hostile(repository, tmp_path)


def with_a_signed_commit(one: Hostile) -> None:
    text = SIGNED.format(
        tree=one.repository.git("rev-parse", "HEAD^{tree}").strip(),
        parent=one.repository.git("rev-parse", "HEAD~1").strip(),
    )
    commit = one.root / ".git/signed"
    commit.write_text(text)
    name = one.repository.git("hash-object", "-t", "commit", "-w", str(commit)).strip()
    one.repository.git("update-ref", "HEAD", name)
    one.repository.stage({"src/a.ts": f"const u = '{REAL}'\n"})


def with_a_missing_tree(one: Hostile) -> None:
    one.repository.git("sparse-checkout", "set", "--cone", "--sparse-index", "src")
    one.repository.stage({"src/a.ts": "export const a = 3\n"})
    one.lose(one.repository.git("rev-parse", "HEAD:far").strip())


def with_a_missing_blob(one: Hostile) -> None:
    one.repository.stage({"src/a.ts": f"const u = '{REAL}'\n"})
    one.lose(one.repository.git("rev-parse", ":src/a.ts").strip())


@pytest.mark.parametrize("url", ["/nowhere", "none::x", "ssh://127.0.0.1:1/x", "ext::sh -c x"])
@pytest.mark.parametrize("shape", [with_a_signed_commit, with_a_missing_tree, with_a_missing_blob])
def test_a_command_that_only_looks_runs_nothing_that_the_repository_names(hostile, shape, url):
    shape(hostile)
    hostile.name_programs()
    hostile.fetch_what_is_missing(url)
    for words in LOOKING if url == "/nowhere" else (("status",), ("check",)):
        done = run(*words, cwd=hostile.root)
        assert "Traceback" not in done.stderr
        assert "a bug in dbswitch" not in done.stderr
        assert hostile.ran() == [], words


def test_a_relative_entry_of_path_does_not_let_the_checkout_provide_git(hostile):
    fake = hostile.root / "node_modules/.bin/git"
    fake.parent.mkdir(parents=True)
    fake.symlink_to(hostile.program("git"))
    for words in (("status",), ("check",)):
        done = run(
            *words, cwd=hostile.root, env={"PATH": f"node_modules/.bin{os.pathsep}{os.environ['PATH']}"}
        )
        assert done.returncode == 0
    assert hostile.ran() == []


@pytest.mark.parametrize("url", ["/nowhere", "none::x"])
def test_a_git_without_the_switch_for_lazy_fetching_runs_nothing_either(hostile, url, monkeypatch):
    with_a_missing_blob(hostile)
    hostile.name_programs()
    hostile.fetch_what_is_missing(url)
    whole = git._environment
    monkeypatch.setattr(
        git, "_environment", lambda **how: {k: v for k, v in whole(**how).items() if k != "GIT_NO_LAZY_FETCH"}
    )
    name = git.run(hostile.root, "rev-parse", ":src/a.ts")
    with pytest.raises(git.GitError):
        git.run(hostile.root, "cat-file", "--batch", stdin=name)
    assert hostile.ran() == []


@pytest.mark.parametrize("words", [(), ("--all",), ("--rev", "HEAD~1..HEAD")])
def test_content_that_git_cannot_read_is_never_a_clean_check(hostile, words):
    if words == ("--all",):
        with_a_missing_tree(hostile)
    elif words:
        hostile.lose(hostile.repository.git("rev-parse", "HEAD:src/a.ts").strip())
    else:
        with_a_missing_blob(hostile)
    done = run("check", *words, cwd=hostile.root)
    assert done.returncode == 2
    assert "git" in done.stderr


def test_a_repository_inside_the_checkout_is_not_taken_for_the_repository(hostile):
    inner = hostile.root / "inner.git"
    hostile.repository.git("init", "-q", "--bare", str(inner))
    hostile.repository.git("-C", str(inner), "config", "core.fsmonitor", hostile.program("inner"))
    hostile.repository.git("-C", str(inner), "config", "core.worktree", str(hostile.root))
    hostile.repository.git("-C", str(inner), "config", "core.bare", "false")
    assert run("check", cwd=inner).returncode == 2
    assert hostile.ran() == []


def test_fix_writes_nothing_into_a_work_tree_that_the_configuration_puts_elsewhere(hostile, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hostile.repository.stage({"lib/.env.local": f"DATABASE_URL={REAL}\n"})
    for place in (elsewhere, tmp_path):
        hostile.config("core.worktree", str(place))
        done = run("check", "--fix", cwd=hostile.root)
        assert done.returncode == 2
        assert not list(place.glob(".gitignore"))


def give_away(*paths: Path) -> None:
    for top in paths:
        for path in (top, *top.rglob("*")):
            os.lchown(path, 65534, 65534)


@root_only
def test_a_repository_of_another_user_than_its_folder_is_refused_and_the_fix_named(hostile):
    hostile.repository.stage({"src/a.ts": f"const u = '{REAL}'\n"})
    give_away(hostile.root / ".git")
    for words in ((), ("--all",), ("--rev", "HEAD~1..HEAD"), ("--quiet",), ("--fix",)):
        done = run("check", *words, cwd=hostile.root)
        assert done.returncode == 2
        assert "another user owns it" in done.stderr
        assert f"git config --global --add safe.directory {hostile.root}" in done.stderr


@root_only
def test_where_git_refuses_every_env_file_counts_as_tracked(hostile):
    give_away(hostile.root / ".git")
    status = run("status", cwd=hostile.root)
    assert status.returncode == 0
    assert "another user owns it" in status.stdout
    assert f"safe.directory {hostile.root}" in status.stdout
    switch = run("production", "--dry-run", cwd=hostile.root)
    assert switch.returncode == 9
    assert ".env.local may be tracked by git" in switch.stderr
    assert run("local", "--dry-run", cwd=hostile.root).returncode == 0


@root_only
@pytest.mark.parametrize("owner", ["the folder", "the project"])
def test_root_in_a_project_of_another_user_is_refused_unless_everything_has_one_owner(hostile, owner):
    hostile.repository.stage({"src/a.ts": f"const u = '{REAL}'\n"})
    hostile.name_programs()
    if owner == "the folder":
        os.chown(hostile.root, 65534, 65534)
        assert run("check", cwd=hostile.root).returncode == 2
    else:
        give_away(hostile.root)
        done = run("check", cwd=hostile.root)
        assert done.returncode == 1
        assert "url-with-password" in done.stdout
    assert hostile.ran() == []


@root_only
def test_only_root_may_read_a_repository_of_another_user(hostile, monkeypatch):
    give_away(hostile.root)
    assert git.run(hostile.root, "ls-files")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(git.GitError, match="dubious ownership"):
        git.run(hostile.root, "ls-files")


def test_a_hook_in_a_linked_work_tree_judges_its_own_index_from_any_folder(hostile, tmp_path, monkeypatch):
    linked = tmp_path / "linked"
    hostile.repository.git("worktree", "add", "-q", str(linked))
    (linked / "src/a.ts").write_text(f"const u = '{REAL}'\n")
    hostile.repository.git("-C", str(linked), "add", "src/a.ts")
    directory = hostile.root / ".git/worktrees/linked"
    monkeypatch.setenv("GIT_DIR", str(directory))
    monkeypatch.setenv("GIT_INDEX_FILE", str(directory / "index"))
    for folder in (linked, linked / "src"):
        done = run("check", cwd=folder)
        assert done.returncode == 1
        assert "src/a.ts" in done.stdout.splitlines()[0]


def test_a_fifo_in_the_place_of_gitignore_does_not_hang_a_command(hostile):
    (hostile.root / ".gitignore").unlink()
    os.mkfifo(hostile.root / ".gitignore")
    with pytest.raises(git.GitError, match="gitignore is not a regular file"):
        git.run(hostile.root, "ls-files", "-o", "--exclude-standard", deadline=0.3)


def test_a_fifo_as_the_gitignore_of_a_folder_below_ends_with_the_deadline(hostile):
    (hostile.root / "below").mkdir()
    (hostile.root / "below/file").write_text("x")
    os.mkfifo(hostile.root / "below/.gitignore")
    with pytest.raises(git.GitError, match="git ls-files did not finish within"):
        git.run(hostile.root, "--literal-pathspecs", "ls-files", "-o", "--exclude-standard", deadline=0.3)


def test_the_message_of_an_older_git_is_understood(tmp_path, monkeypatch):
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    monkeypatch.setenv("PATH", str(fake.parent))
    for text in (
        "fatal: unsafe repository ('/x y' is owned by someone else)",
        "fatal: detected dubious ownership in repository at '/x y'\nTo add an exception",
    ):
        fake.write_text(f'#!/bin/sh\ncat >&2 <<"E"\n{text}\nE\nexit 128\n'.replace("cat", "/bin/cat"))
        fake.chmod(0o755)
        with pytest.raises(git.GitError, match="dubious ownership") as caught:
            git.run(tmp_path, "ls-files")
        assert caught.value.fix.endswith("safe.directory '/x y'")


def test_a_git_file_that_holds_no_path_is_no_bug(tmp_path):
    (tmp_path / ".git").write_bytes(b"gitdir: \0\xff\n")
    with pytest.raises(git.GitError):
        git.run(tmp_path, "ls-files")
