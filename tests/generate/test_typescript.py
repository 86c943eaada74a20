"""The generated client's own suite, in TypeScript, against real databases."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dbswitch.generate.client import Adapter, client_facts, render
from dbswitch.generate.writing import write
from dbswitch.project.discovery import load
from tests.generate.conftest import SUITE, ClientProject, place_client

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.real


def assert_ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def add_hooks(project: ClientProject) -> None:
    (project.root / "suite" / "prisma.extend.ts").rename(project.root / "lib" / "prisma.extend.ts")
    place_client(project.root)


def node_test(project: ClientProject, name: str) -> str:
    return assert_ok(project.run("tsx", "--test", "--test-reporter=spec", f"suite/{name}"))


def test_errors_and_statements_are_judged_as_the_adapter_really_throws_them(
    client_project: ClientProject,
) -> None:
    node_test(client_project, "classify.test.ts")


def test_the_client_moves_with_the_env_files(client_project: ClientProject) -> None:
    node_test(client_project, "switch.test.ts")


def test_what_is_safe_is_retried_and_nothing_else(client_project: ClientProject) -> None:
    add_hooks(client_project)
    node_test(client_project, "retry.test.ts")


def test_the_newest_prisma_and_its_adapter_still_have_what_the_client_relies_on(
    newest_project: ClientProject,
) -> None:
    node_test(newest_project, "switch.test.ts")
    add_hooks(newest_project)
    node_test(newest_project, "retry.test.ts")


def test_it_passes_the_strictest_compiler_with_and_without_hooks(client_project: ClientProject) -> None:
    for name in ("types_extended.ts", "retry.test.ts", "prisma.extend.ts"):
        (client_project.root / "suite" / name).unlink()
    assert_ok(client_project.run("tsc", "-p", "."))
    for name in ("types_extended.ts", "retry.test.ts", "prisma.extend.ts"):
        shutil.copyfile(SUITE / name, client_project.root / "suite" / name)
    add_hooks(client_project)
    assert_ok(client_project.run("tsc", "-p", "."))


def test_it_compiles_with_the_neon_adapter(client_project: ClientProject) -> None:
    for name in ("types_extended.ts", "retry.test.ts", "prisma.extend.ts"):
        (client_project.root / "suite" / name).unlink()
    facts = replace(client_facts(load(client_project.root)), adapters=(Adapter.NEON,))
    write(client_project.root, [render(facts)])
    assert "PrismaNeon" in (client_project.root / "lib" / "prisma.ts").read_text()
    assert_ok(client_project.run("tsc", "-p", "."))


def test_with_both_adapters_it_moves_between_a_local_and_a_neon_database(
    client_project: ClientProject,
) -> None:
    node_test(client_project, "neon.test.ts")


def test_vitest_runs_it(client_project: ClientProject) -> None:
    url = client_project.environment["LOCAL"]
    assert_ok(
        client_project.run(
            "vitest", "run", "--config=/dev/null", "--dir=suite", "client.spec.ts", env={"DATABASE_URL": url}
        )
    )
