"""The reading of npm version ranges against npm's own."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from dbswitch.check.doctor.doctor_facts import parse_version
from dbswitch.check.doctor.version_rules import satisfies

PRISMA_7 = "^20.19 || ^22.12 || >=24.0"


@pytest.mark.parametrize(
    ("version", "wanted", "inside"),
    [
        ("20.19.0", PRISMA_7, True),
        ("20.18.3", PRISMA_7, False),
        ("21.7.0", PRISMA_7, False),
        ("v22.12.0", PRISMA_7, True),
        ("25.1.0", PRISMA_7, True),
        ("20.9.0", ">=20.9.0", True),
        ("18.20.4", ">=20.9.0", False),
        ("18.20.4", "18.x", True),
        ("18.20.4", "*", True),
        ("20.1.1", "", True),
        ("20.20.2", "lts/iron", None),
        ("unknown", ">=20", None),
        ("18.0.0", "lts/iron || >=20", None),
    ],
)
def test_a_version_is_inside_a_range_outside_or_not_to_be_told(version, wanted, inside):
    assert satisfies(version, wanted) is inside


def test_a_version_is_read_with_or_without_its_v_and_its_last_parts():
    assert parse_version("v20.19.1") == (20, 19, 1)
    assert parse_version("22") == (22, 0, 0)
    assert parse_version("16.1.0-canary.3") == (16, 1, 0)
    assert parse_version("latest") is None


def _random_cases(count: int) -> list[tuple[str, str]]:
    chance = random.Random(20)

    def version(parts: int = 3) -> str:
        return ".".join(str(chance.choice([0, 1, 2, 9, 18, 19, 20, 24])) for _ in range(parts))

    def comparator() -> str:
        sign = chance.choice(["", "^", "~", ">=", "<=", ">", "<", "=", ">= ", "^ "])
        parts = chance.choice([1, 2, 3])
        return sign + version(parts) + (".x" if parts < 3 and chance.random() < 0.1 else "")

    def alternative() -> str:
        if chance.random() < 0.15:
            return f"{version(chance.choice([1, 2, 3]))} - {version(chance.choice([1, 2, 3]))}"
        return " ".join(comparator() for _ in range(chance.choice([1, 1, 2])))

    return [
        (version(), " || ".join(alternative() for _ in range(chance.choice([1, 1, 2])))) for _ in range(count)
    ]


def test_random_ranges_are_read_as_npm_reads_them():
    npm = shutil.which("npm")
    semver = Path(npm).resolve().parents[1] / "node_modules" / "semver" if npm is not None else None
    if semver is None or not semver.is_dir():
        pytest.skip("npm's own semver is not where npm is")
    cases = _random_cases(3000)
    program = (
        "const s = require(process.argv[1]);"
        "const cases = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(cases.map(([v, r]) => s.satisfies(v, r))))"
    )
    done = subprocess.run(
        ["node", "-e", program, str(semver)],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout)
    assert len(set(theirs)) == 2
    assert [satisfies(*case) for case in cases] == theirs
