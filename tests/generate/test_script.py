"""The generated client in a plain tsx script: where its URL comes from, and that it follows while the script runs."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.generate import javascript
from tests.support.amounts import first_and_sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.generate.conftest import ClientProject

pytestmark = pytest.mark.real


class Script:
    """A running `suite/where.ts`: each question is answered with the database's name."""

    def __init__(self, project: ClientProject, env: Mapping[str, str], *arguments: str) -> None:
        self.project = project
        self.process = subprocess.Popen(
            [str(project.root / "node_modules" / ".bin" / "tsx"), *arguments, "suite/where.ts"],
            cwd=project.root,
            env={**project.environment, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.first = self.read()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip() or self.process.communicate()[1][-2000:]

    def ask(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> int:
        self.process.communicate(timeout=120)
        return self.process.returncode


def name(url: str) -> str:
    return urlsplit(url).path[1:]


def point(project: ClientProject, which: str, file: str = ".env") -> str:
    url = project.environment[which]
    fresh = project.root / f"{file}.fresh"
    fresh.write_text(f'DATABASE_URL="{url}"\n')
    fresh.rename(project.root / file)
    time.sleep(0.01)  # the client looks at most every 5 ms
    return name(url)


@pytest.fixture
def scripts(client_project: ClientProject) -> Iterator[list[Script]]:
    made: list[Script] = []
    yield made
    for script in made:
        assert script.end() == 0


def test_a_long_running_script_follows_the_files_and_ends(
    client_project: ClientProject, scripts: list[Script]
) -> None:
    script = Script(client_project, {})
    scripts.append(script)
    assert script.first == name(client_project.environment["LOCAL"])
    for which in ("PROD", "LOCAL", "PROD"):
        there = point(client_project, which)
        assert script.ask() == there
    assert script.ask() == name(client_project.environment["PROD"])
    assert script.ask() == script.ask()


def test_a_script_that_loads_env_itself_follows_too(
    client_project: ClientProject, scripts: list[Script]
) -> None:
    script = Script(client_project, {}, "--env-file=.env")
    scripts.append(script)
    assert script.first == name(client_project.environment["LOCAL"])
    there = point(client_project, "PROD")
    assert script.ask() == there


@pytest.mark.parametrize("which", first_and_sweep(["LOCAL", "PROD"]))
def test_an_exported_url_wins_even_if_a_file_says_the_same(
    client_project: ClientProject, scripts: list[Script], which: str
) -> None:
    exported = client_project.environment[which]
    script = Script(client_project, {"DATABASE_URL": exported})
    scripts.append(script)
    assert script.first == name(exported)
    point(client_project, "PROD")
    assert script.ask() == name(exported)
    point(client_project, "LOCAL", ".env.local")
    assert script.ask() == name(exported)


def test_in_tests_next_reads_no_env_local(client_project: ClientProject, scripts: list[Script]) -> None:
    point(client_project, "PROD", ".env.local")
    script = Script(client_project, {"NODE_ENV": "test"})
    scripts.append(script)
    assert script.first == name(client_project.environment["LOCAL"])


def test_without_a_url_it_says_so_and_where_it_looked(client_project: ClientProject) -> None:
    (client_project.root / ".env").unlink()
    done = client_project.run("tsx", "suite/where.ts")
    assert done.returncode != 0
    assert "DATABASE_URL is not a PostgreSQL URL" in done.stderr


def test_the_javascript_templates_are_built_from_the_typescript_ones() -> None:
    built = javascript.build(javascript.SOURCES)
    old = [path.name for path, text in built.items() if path.with_suffix(".js").read_text() != text]
    assert not old, "run `make javascript`"


def test_the_javascript_client_works(client_project: ClientProject, scripts: list[Script]) -> None:
    from tests.generate.conftest import place_client

    (client_project.root / "tsconfig.json").unlink()
    (client_project.root / "lib" / "prisma.ts").unlink()
    assert place_client(client_project.root) == "lib/prisma.js"
    where = client_project.root / "suite" / "where.ts"
    where.write_text(where.read_text().replace("prisma.ts", "prisma.js"))
    script = Script(client_project, {})
    scripts.append(script)
    assert script.first == name(client_project.environment["LOCAL"])
    there = point(client_project, "PROD")
    assert script.ask() == there
