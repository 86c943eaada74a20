"""The hook as people install it: through the real pre-commit framework and through Husky, on real commits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dbswitch import __version__
from tests.check.corpus import APP, LOCAL, REAL, SUFFIXED
from tests.support.amounts import first_and_sweep
from tests.support.npm import node_modules_for

SOURCE = Path(__file__).parents[2]
HUSKY = SOURCE / "tests/fixtures/husky"


@pytest.fixture
def commit(repository, tmp_path, monkeypatch):
    """Return a function that runs `git commit` with the hooks of the repository, and gives exit code and output."""
    tools = tmp_path / "bin"
    tools.mkdir()
    script = tools / "dbswitch"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{SOURCE}" exec "{sys.executable}" -m dbswitch "$@"\n')
    script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
        "HOME": str(tmp_path),
        "GIT_AUTHOR_NAME": "t",
        "GIT_AUTHOR_EMAIL": "t@example.test",
        "GIT_COMMITTER_NAME": "t",
        "GIT_COMMITTER_EMAIL": "t@example.test",
    }

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            words or ("git", "commit", "-m", "x"),
            cwd=repository.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def the_hook_judges_the_index(repository, commit):
    """Go through the commits that matter: clean, leaking, half staged either way, `commit -a` and a single path."""
    repository.write({".env.local": SUFFIXED})
    repository.stage({"src/a.ts": "export const url = process.env.DATABASE_URL\n"})
    assert commit()[0] == 0

    repository.stage({"src/a.ts": f"const u = '{REAL}'\n"})
    repository.write({"src/a.ts": "export {}\n"})
    code, output = commit()
    assert code != 0
    assert "url-with-password" in output
    assert "src/a.ts" in output
    assert REAL not in output
    assert (repository.root / "src/a.ts").read_text() == "export {}\n"

    repository.stage({"src/a.ts": "export const a = 2\n"})
    repository.write({"src/a.ts": f"const u = '{REAL}'\n"})
    assert commit()[0] == 0
    assert REAL in (repository.root / "src/a.ts").read_text()

    code, output = commit("git", "commit", "-a", "-m", "x")
    assert code != 0
    assert "url-with-password" in output
    repository.stage({"src/b.ts": "export const b = 1\n"})
    assert commit("git", "commit", "-m", "x", "--", "src/b.ts")[0] == 0
    code, output = commit("git", "commit", "-m", "x", "--", "src/a.ts")
    assert code != 0
    assert repository.git("show", "HEAD:src/a.ts") == "export const a = 2\n"


def documented(way: str) -> str:
    """Return the configuration that the documentation shows for a `repo:` of this kind."""
    page = (SOURCE / "docs/how-to/commit-hook.md").read_text()
    (block,) = (one for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if f"repo: {way}" in one)
    return block


def publish(repository, place: Path) -> str:
    """Make a repository of this checkout, tagged as a release, and return its commit."""
    place.mkdir()
    published = type(repository)(place)
    for name in ("dbswitch", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        source = SOURCE / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(source, place / name, ignore=ignored)
        elif source.exists():
            shutil.copyfile(source, place / name)
    published.git("add", "-A")
    published.git("commit", "-q", "-m", "release")
    published.git("tag", f"v{__version__}")
    return published.git("rev-parse", "HEAD").strip()


@pytest.mark.timeout(600)  # pip installs into a new environment
@pytest.mark.parametrize("way", first_and_sweep(["local", "../dbswitch", "https://"]))
def test_the_real_pre_commit_runs_the_hook_as_it_is_documented(repository, commit, tmp_path, way):
    configuration = documented(way)
    if way != "local":
        revision = publish(repository, tmp_path / "dbswitch")
        configuration = re.sub(r"rev: [0-9a-f]{40}$", f"rev: {revision}", configuration, flags=re.MULTILINE)
        configuration = re.sub(r"https://\S+", str(tmp_path / "dbswitch"), configuration)
    repository.commit({**APP, ".pre-commit-config.yaml": configuration})
    assert commit(sys.executable, "-m", "pre_commit", "install", "--install-hooks")[0] == 0
    the_hook_judges_the_index(repository, commit)


@pytest.mark.real
def test_husky_runs_the_line_of_the_documentation(repository, commit):
    page = (SOURCE / "docs/how-to/commit-hook.md").read_text()
    line = 'echo "dbswitch check --quiet" > .husky/pre-commit'
    assert line in page
    repository.commit({**APP, ".gitignore": APP[".gitignore"] + ".husky/_\n"})
    (repository.root / "node_modules").symlink_to(node_modules_for(HUSKY))
    assert commit("node", "node_modules/husky/bin.js")[0] == 0
    assert commit("sh", "-c", line)[0] == 0
    the_hook_judges_the_index(repository, commit)


def test_an_active_protected_target_is_said_and_does_not_stop_the_commit(repository, commit):
    hook = repository.root / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec dbswitch check\n")
    hook.chmod(0o755)
    repository.write({".env.local": SUFFIXED.replace(LOCAL, SUFFIXED.split('"')[5], 1)})
    repository.stage({**APP, "src/a.ts": "export {}\n"})
    code, output = commit()
    assert code == 0
    assert "active-protected" in output
