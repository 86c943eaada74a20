"""The generated client's own suite, in TypeScript, against real databases."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dbswitch.generate.client import Adapter, client_facts, render
from dbswitch.generate.writing import write
from dbswitch.project.discovery import load
from tests.generate.conftest import ClientProject, place_client
from tests.generate.javascript import TEMPLATES

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


def test_a_command_of_the_admin_route_that_hangs_is_ended(client_project: ClientProject) -> None:
    shutil.copyfile(TEMPLATES / "admin-command.ts", client_project.root / "lib" / "command.ts")
    node_test(client_project, "command.test.ts")


@pytest.mark.sweep
def test_the_newest_prisma_and_its_adapter_still_have_what_the_client_relies_on(
    newest_project: ClientProject,
) -> None:
    node_test(newest_project, "switch.test.ts")
    add_hooks(newest_project)
    node_test(newest_project, "retry.test.ts")


def test_it_passes_the_strictest_compiler_with_each_adapter_and_with_and_without_hooks(
    client_project: ClientProject,
) -> None:
    """One program: most of a compiler's time goes to the types of Prisma and Node.js."""
    root = client_project.root
    shutil.copyfile(TEMPLATES / "admin-command.ts", root / "lib" / "command.ts")
    (root / "hooks").mkdir()
    (root / "suite" / "prisma.extend.ts").rename(root / "hooks" / "prisma.extend.ts")
    facts = client_facts(load(root))
    assert facts.adapters == (Adapter.PG, Adapter.NEON)
    more = {
        "pg": replace(facts, path="pg/prisma.ts", adapters=(Adapter.PG,)),
        "neon": replace(facts, path="neon/prisma.ts", adapters=(Adapter.NEON,)),
        "hooks": replace(facts, path="hooks/prisma.ts", extend="hooks/prisma.extend.ts"),
    }
    write(root, [render(one) for one in more.values()])
    assert "PrismaPg" not in (root / "neon" / "prisma.ts").read_text()
    assert "PrismaNeon" not in (root / "pg" / "prisma.ts").read_text()
    for name in ("types_extended.ts", "retry.test.ts"):  # they need the hooks
        text = (root / "suite" / name).read_text()
        assert '"../lib/' in text
        (root / "suite" / name).write_text(text.replace('"../lib/', '"../hooks/'))
    config = json.loads((root / "tsconfig.json").read_text())
    config["include"] += more
    (root / "tsconfig.json").write_text(json.dumps(config))
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
