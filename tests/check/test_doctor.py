"""`dbswitch doctor` on real project folders, with real Postgres servers, and with none that answers."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dbswitch.check.doctor import (
    doctor_report,
    doctor_rules,
    fact_collection,
    local_facts,
)
from dbswitch.database.url import DatabaseUrl
from dbswitch.demo.postgres import free_port
from dbswitch.errors import DbswitchError
from dbswitch.generate import writing
from dbswitch.project.discovery import discover, load
from dbswitch.project.generated import HEADER_VERSION, GeneratedState, generated_state
from dbswitch.switch import project_lock
from tests.cli import running
from tests.cli.conftest import PASSWORD, STANDIN, TOKEN, Folder, build, url
from tests.cli.test_reference import assert_documented
from tests.database.conftest import open_door
from tests.generate.conftest import SOURCE
from tests.support import npm
from tests.support.processes import end
from tests.support.state import private_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import FreshPostgres, ShopServer

DOCS = running.ROOT / "docs"
CONFIG = (
    "import 'dotenv/config'\nimport { defineConfig, env } from 'prisma/config'\n"
    "export default defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: env('DATABASE_URL') } })\n"
)
SCHEMA = (
    'generator client {\n  provider = "prisma-client"\n  output = "../generated"\n}\n'
    'datasource db {\n  provider = "postgresql"\n}\n'
)
MANIFEST = {
    "dependencies": {"next": "16.0.7", "@prisma/client": "7.1.0", "@prisma/adapter-pg": "7.1.0"},
    "devDependencies": {"prisma": "7.1.0", "typescript": "5.9.3"},
    "scripts": {"dev": "next dev"},
}
NEEDS = {
    "next": ">=20.9.0",
    "prisma": "^20.19 || ^22.12 || >=24.0",
    "@prisma/client": "^20.19 || ^22.12 || >=24.0",
}
_VERSIONS = functools.cache(local_facts.program_version)
SCRIPT = b"CREATE TABLE thing ();\n"


def install(folder: Folder, **other: str) -> None:
    """Make it look installed: the package.json files that versions are read from."""
    packages = {**MANIFEST["dependencies"], **MANIFEST["devDependencies"], **other}  # type: ignore[dict-item]
    for name, version in packages.items():
        engines = {"engines": {"node": NEEDS[name]}} if name in NEEDS else {}
        folder.write(
            f"node_modules/{name}/package.json", json.dumps({"name": name, "version": version, **engines})
        )


def bind(folder: Folder, name: str, **bindings: str) -> None:
    folder.write(name, "".join(f'{key}="{value}"\n' for key, value in bindings.items()))
    (folder.root / name).chmod(0o600)


def make(root: Path, local: str, prod: str) -> Folder:
    """An app with Next.js and Prisma whose readers all are on `local`."""
    folder = build(root, local, prod)
    folder.write("package.json", json.dumps(MANIFEST))
    folder.write("package-lock.json", "{}")
    folder.write("prisma.config.ts", CONFIG)
    folder.write("prisma/schema.prisma", SCHEMA)
    install(folder)
    bind(folder, ".env.local", DATABASE_URL=local, DATABASE_URL_LOCAL=local, DATABASE_URL_PROD=prod)
    bind(folder, ".env", DATABASE_URL=local)
    return folder


@pytest.fixture
def served(tmp_path: Path, postgres_local: ShopServer, postgres_prod: ShopServer) -> Folder:
    return make(tmp_path / "app", postgres_local.url, postgres_prod.url)


@pytest.fixture
def down(tmp_path: Path) -> Folder:
    """Nothing listens where its targets are."""
    port = free_port()
    return make(tmp_path / "app", url(port, "shop_local"), url(port, "shop_prod"))


def ask(folder: Folder, *argv: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """The whole program, as another program would run it."""
    done = folder.run("doctor", "--json", *argv, **options)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    return done.returncode, json.loads(done.stdout)


def examine(
    folder: Folder, *, run_commands: bool = False, env: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    """The same without a new interpreter."""
    facts = fact_collection.look(
        discover(folder.root), running.environment(**(env or {})), run_commands=run_commands
    )
    findings = doctor_rules.judge(facts)
    return int(doctor_report.is_failing(findings)), json.loads(doctor_report.as_json(facts, findings))


@pytest.fixture(autouse=True)
def _on_a_busy_machine(monkeypatch):
    # npm takes a second to tell its version, and Postgres may take some to answer; the version does not change between two tests.
    monkeypatch.setattr(fact_collection, "DEADLINE", 60.0)
    monkeypatch.setattr(local_facts, "program_version", _VERSIONS)


def levels(report: dict[str, Any]) -> dict[str, str]:
    """The findings by id, those that say that all is well left out."""
    return {one["id"]: one["level"] for one in reversed(report["findings"]) if one["level"] != "ok"}


# What a project without generated files has in any case; prod is on this machine here.
ALWAYS = {"no-hot-client": "info", "no-identity-route": "info", "protected-here": "info"}


def test_a_project_in_order_is_well_and_exits_with_0(served, postgres_local):
    code, report = examine(served)
    assert levels(report) == ALWAYS
    assert (code, report["level"]) == (0, "info")
    readers = {row["reader"]: row for row in report["readers"]}
    assert set(readers) == {"Next.js dev", "Next.js start", "Prisma CLI", "Prisma Studio", "shell"}
    assert {row["target"] for name, row in readers.items() if name != "shell"} == {"local"}
    assert readers["shell"]["agreement"] == "no url"
    local, prod = report["targets"]
    assert (local["name"], local["reachable"], local["active"]) == ("local", True, True)
    assert (prod["name"], prod["reachable"], prod["active"], prod["protected"]) == ("prod", True, False, True)
    assert local["identity"]["database"] == postgres_local.shop.database
    assert local["identity"]["systemIdentifier"] != prod["identity"]["systemIdentifier"]
    assert local["milliseconds"] > 0
    assert report["server"]["state"] == "stopped"
    versions = {one["name"]: one["version"] for one in report["versions"]}
    assert versions["Next.js"] == "16.0.7"
    assert versions["Prisma CLI"] == "7.1.0"
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"v{versions['Node.js']}\n" == node


def test_nothing_is_changed(served):
    def state() -> dict[str, tuple[float, bytes | None]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in sorted(served.root.rglob("*"))
        }

    private = private_dir(served.root)
    (private / "switch.json").write_text("{}")
    (private / "journal").write_bytes(b"half")
    before = state()
    _, report = ask(served)
    assert levels(report)["switch-unfinished"] == "warning"
    assert state() == before
    assert (private / "journal").read_bytes() == b"half"


@pytest.mark.parametrize("left", ["switch.json", "journal", "pool.json"])
def test_whatever_a_killed_switch_left_is_unfinished(served, left):
    (private_dir(served.root) / left).write_text("{}")
    assert levels(examine(served)[1])["switch-unfinished"] == "warning"


def test_prisma_on_another_database_is_a_problem_and_the_table_says_where_from(served, postgres_prod):
    bind(served, ".env", DATABASE_URL=postgres_prod.url)
    code, report = examine(served)
    assert code == 1
    assert levels(report) == {**ALWAYS, "prisma-elsewhere": "problem"}
    rows = {row["reader"]: (row["target"], row["source"], row["agreement"]) for row in report["readers"]}
    assert rows["Next.js dev"] == ("local", ".env.local", "same")
    assert rows["Prisma CLI"] == rows["Prisma Studio"] == ("prod", ".env", "different")
    shown = served.run("doctor").stdout
    table = shown.partition("which database each reader would use")[2]
    line = next(line for line in table.splitlines() if line.startswith("Prisma CLI"))
    assert line.split()[2] == "prod"
    assert "prisma-elsewhere" in shown


def test_an_exported_url_is_what_every_reader_gets(served, postgres_prod):
    code, report = examine(served, env={"DATABASE_URL": postgres_prod.url})
    assert code == 1
    assert levels(report) == {**ALWAYS, "shell-overrides": "warning"}
    assert {row["source"] for row in report["readers"]} == {"process environment"}


def test_two_names_for_one_database_are_pointed_out_by_who_answers(served, postgres_local):
    # Another spelling of the host, another user: only the server can tell.
    other = postgres_local.server.url(postgres_local.shop.database).replace("127.0.0.1", "localhost")
    served.write("env/qa.env", f'DATABASE_URL="{other}"\n')
    (served.root / "env/qa.env").chmod(0o600)
    code, report = examine(served)
    assert code == 1
    assert levels(report) == {**ALWAYS, "same-database": "warning"}
    finding = next(one for one in report["findings"] if one["id"] == "same-database")
    assert "the same server and database answered" in finding["facts"]


def test_a_variable_of_production_beside_the_active_target_is_a_problem(served, postgres_prod):
    text = (served.root / ".env.local").read_text()
    served.write(".env.local", f'{text}REPORTS_URL="{postgres_prod.url}"\n')
    _, report = examine(served)
    assert levels(report)["variable-elsewhere"] == "problem"
    finding = next(one for one in report["findings"] if one["id"] == "variable-elsewhere")
    assert finding["what"].startswith("REPORTS_URL has the value of prod")


def test_another_name_of_the_protected_database_is_protected_with_it(served, postgres_prod):
    served.write("env/qa.env", f'DATABASE_URL="{postgres_prod.url}"\n')
    _, report = examine(served)
    assert levels(report)["same-database"] == "warning"
    assert {target["name"]: target["protected"] for target in report["targets"]} == {
        "local": False,
        "prod": True,
        "qa": True,
    }


def test_migrations_of_every_target_are_compared(tmp_path, fresh_postgres: FreshPostgres, postgres_prod):
    fresh = fresh_postgres()
    folder = make(tmp_path / "app", fresh.url, postgres_prod.url)
    shipped = {
        path.parent.name for path in (running.ROOT / "dbswitch/demo/app/prisma/migrations").rglob("*.sql")
    }
    for name in shipped:
        shutil.copytree(
            running.ROOT / "dbswitch/demo/app/prisma/migrations" / name,
            folder.root / "prisma/migrations" / name,
        )
    _, report = examine(folder)
    assert levels(report) == ALWAYS  # the shops have applied exactly these
    for name in ("20990101000000_failed", "20990102000000_edited", "20990103000000_pending"):
        folder.write(f"prisma/migrations/{name}/migration.sql", SCRIPT.decode())
    insert = (
        'INSERT INTO "_prisma_migrations" (id, checksum, migration_name, finished_at) VALUES '
        f"('1', '{hashlib.sha256(SCRIPT).hexdigest()}', '20990101000000_failed', NULL), "
        "('2', repeat('0', 64), '20990102000000_edited', now()), "
        f"('3', '{hashlib.sha256(SCRIPT).hexdigest()}', '20990104000000_gone', now())"
    )
    fresh.server.execute(insert, database=fresh.shop.database)
    code, report = examine(folder)
    assert code == 1
    assert levels(report) == {
        **ALWAYS,
        "migrations-failed": "problem",
        "migrations-edited": "warning",
        "migrations-pending": "warning",
        "migrations-missing": "warning",
    }
    local = report["targets"][0]["migrations"]
    assert local == {
        "failed": ["20990101000000_failed"],
        "edited": ["20990102000000_edited"],
        "pending": ["20990103000000_pending"],
        "rolled_back": [],
        "missing": ["20990104000000_gone"],
    }


def test_ten_silent_databases_are_waited_for_at_the_same_time(tmp_path):
    pending = most = 0
    lock = threading.Lock()

    def silent(connection: socket.socket, _number: int) -> None:
        """Take what is sent and say nothing until the other side gives up."""
        nonlocal pending, most
        connection.settimeout(running.DEADLINE)
        with lock:
            pending += 1
            most = max(most, pending)
        while connection.recv(4096):
            pass
        with lock:
            pending -= 1

    with open_door(silent) as port:
        folder = make(tmp_path / "app", url(port, "shop_local"), url(port, "shop_prod"))
        for number in range(8):
            folder.write(f"env/qa{number}.env", f'DATABASE_URL="{url(port, f"shop_{number}")}"\n')
        code, report = ask(folder)
    assert code == 1
    assert len(report["targets"]) == 10
    assert not any(target["reachable"] for target in report["targets"])
    assert report["seconds"] > 2.5
    assert most > 3  # ten, unless a busy machine starts some of them seconds later


def test_where_all_is_down_it_says_so_and_shows_no_password(down):
    code, report = ask(down)
    assert code == 1
    assert levels(report)["target-unreachable"] == "problem"
    assert PASSWORD not in json.dumps(report)
    shown = down.run("doctor")
    assert shown.returncode == 1
    assert PASSWORD not in shown.stdout + shown.stderr
    assert "connection refused" in shown.stdout


def test_a_refused_connection_is_not_tried_again():
    began = time.monotonic()
    told = fact_collection.ask(DatabaseUrl.parse(url(free_port(), "shop")), seconds=100.0)
    assert time.monotonic() - began < 60
    assert isinstance(told, DbswitchError)
    assert "P1001" in told.what


def test_a_wrong_password_is_told_from_a_server_that_is_down(served, postgres_local):
    shop = postgres_local.shop
    wrong = postgres_local.server.url(shop.database, user=shop.role, password=PASSWORD)
    bind(served, ".env.local", DATABASE_URL=wrong, DATABASE_URL_LOCAL=wrong)
    bind(served, ".env", DATABASE_URL=wrong)
    _, report = examine(served)
    assert "P1000" in report["targets"][0]["trouble"]
    assert PASSWORD not in json.dumps(report)


def test_the_command_of_a_target_runs_only_when_asked_for(served, postgres_prod):
    ran = served.root / "ran"
    program = served.root / "vault.sh"
    served.write("vault.sh", f'#!/bin/sh\ntouch {ran}\necho "{postgres_prod.url}"\n')
    program.chmod(0o755)
    text = (served.root / "dbswitch.toml").read_text()
    served.write("dbswitch.toml", f'{text}[targets.vault]\ncommand = ["{program}"]\n')
    _, report = examine(served)
    assert levels(report) == {**ALWAYS, "target-skipped": "info"}
    assert not ran.exists()
    _, report = ask(served, "--run-commands")
    assert ran.exists()
    # It turns out to be prod's database, and so it is protected as prod is.
    assert levels(report) == {**ALWAYS, "same-database": "warning"}


@pytest.mark.real
def test_prismas_own_loader_tells_a_computed_url_and_runs_only_when_asked_for(served, postgres_prod):
    shutil.rmtree(served.root / "node_modules")
    (served.root / "node_modules").symlink_to(npm.node_modules_for(SOURCE))
    computed = """import 'dotenv/config'
import { writeFileSync } from 'node:fs'
import { defineConfig } from 'prisma/config'
writeFileSync('ran', '')
console.log('a greeting')
const chosen: { prod: boolean } = { prod: true }
const url = () => process.env[chosen.prod ? 'DATABASE_URL_PROD' : 'DATABASE_URL_LOCAL']
export default defineConfig({ schema: 'prisma/schema.prisma', datasource: { url: url() } })
"""
    served.write("prisma.config.ts", computed)
    bind(served, ".env", DATABASE_URL_PROD=postgres_prod.url)
    examine(served)
    assert not (served.root / "ran").exists()
    _, report = ask(served, "--run-commands")
    [cli] = [row for row in report["readers"] if row["reader"] == "Prisma CLI"]
    assert (cli["target"], cli["variable"], cli["source"]) == ("prod", "datasource.url", "prisma.config.ts")
    assert levels(report)["prisma-elsewhere"] == "problem"
    assert PASSWORD not in json.dumps(report)


def test_a_broken_target_and_an_unusable_url_do_not_hide_the_rest(served, postgres_local):
    served.write("env/qa.env", 'DATABASE_URL="postgresql://a:b@one,two/db"\n')
    bind(served, ".env", DATABASE_URL="mysql://a:hidden@h/db")
    code, report = examine(served)
    assert code == 1
    told = levels(report)
    assert told["target-broken"] == told["url-unusable"] == "problem"
    assert {target["name"]: target["reachable"] for target in report["targets"]} == {
        "local": True, "prod": True, "qa": None,
    }  # fmt: skip
    assert "hidden" not in json.dumps(report)


def test_an_env_file_that_is_no_file_is_a_finding_not_an_end(served):
    (served.root / ".env.development").mkdir()
    code, report = examine(served)
    assert code == 1
    assert {"env-unreadable", "targets-unreadable"} <= set(levels(report))
    assert report["versions"]


def test_bad_combinations_of_installed_packages_are_found(served):
    install(served, typescript="7.0.2", prisma="7.2.0")
    _, report = examine(served)
    assert levels(report) == {**ALWAYS, "typescript-version": "problem", "prisma-mismatch": "warning"}
    install(served, prisma="8.0.0")
    assert levels(examine(served)[1])["prisma-unsupported"] == "problem"


def test_an_older_node_on_the_path_is_found(served, tmp_path):
    other = tmp_path / "bin"
    other.mkdir()
    (other / "node").write_text("#!/bin/sh\necho v20.18.1\n")
    (other / "node").chmod(0o755)
    _, report = ask(served, env={"PATH": f"{other}{os.pathsep}{os.environ['PATH']}"})
    assert levels(report) == {**ALWAYS, "node-version": "problem"}


def test_a_program_that_does_not_end_is_not_waited_for(tmp_path, monkeypatch):
    (tmp_path / "node").write_text("#!/bin/sh\nexec sleep 1000\n")
    (tmp_path / "node").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    began = time.monotonic()
    assert _VERSIONS.__wrapped__("node", 0.2) is None
    assert time.monotonic() - began < 60
    assert _VERSIONS.__wrapped__("no-such-program", 0.2) is None


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that others can get into; pytest's own are closed to them."""
    place = Path(tempfile.mkdtemp(prefix="dbswitch-tests-open-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def test_permissions_are_judged_by_what_others_can_really_do(open_place):
    remote = f"postgresql://app:{PASSWORD}@db.example.com/shop?sslmode=verify-full"
    folder = make(open_place / "app", url(free_port(), "shop_local"), remote)
    (folder.root / ".dbswitch").mkdir(0o755)
    (folder.root / ".dbswitch").chmod(0o755)

    def files() -> dict[str, tuple[bool, bool, bool]]:
        seen = local_facts.look_at_files(load(folder.root))
        return {one.name: (one.readable, one.writable, one.secret) for one in seen}

    (folder.root / ".env.local").chmod(0o644)
    (folder.root / ".env").chmod(0o666)
    assert files() == {
        ".env.local": (True, False, True), ".env": (True, True, False), ".dbswitch": (True, False, False),
    }  # fmt: skip
    told = levels(examine(folder)[1])
    assert told["file-readable-by-others"] == told["state-folder-open"] == "warning"
    assert told["file-writable-by-others"] == "problem"
    open_place.chmod(0o700)  # nobody else gets as far as the files
    assert {one[:2] for one in files().values()} == {(False, False)}


@pytest.mark.parametrize(
    ("mode", "own_group", "folder", "rights"),
    [
        (0o660, True, False, (0, 0)),
        (0o660, False, False, (6, 0)),
        (0o604, True, False, (0, 4)),
        (0o1777, False, True, (5, 5)),
        (0o777, False, True, (7, 7)),
    ],
)
def test_the_owners_own_group_is_no_outsider_and_a_sticky_folder_is_not_to_be_changed(
    mode, own_group, folder, rights
):
    group = pwd.getpwuid(os.getuid()).pw_gid + (0 if own_group else 1)
    status = os.stat_result((mode, 0, 0, 1, os.getuid(), group, 0, 0, 0, 0))
    assert local_facts._outsiders(status, folder=folder) == rights


def test_a_running_switch_and_a_foreign_port_are_named(served):
    state_dir = served.root / ".dbswitch"
    state_dir.mkdir(0o700)
    (state_dir / "switch.json").write_text("{}")
    with project_lock.acquire(state_dir, target="prod", deadline=1), socket.socket() as listener:
        listener.bind(("127.0.0.1", served.port))
        listener.listen()
        _, report = examine(served)
    assert levels(report) == {**ALWAYS, "switch-running": "info", "port-taken": "warning"}
    assert report["server"]["switch"] == f"dbswitch prod, pid {os.getpid()}"
    assert f"pid {os.getpid()}" in report["server"]["foreign"][0]


def test_the_running_server_has_a_row_of_its_own(tmp_path, postgres_local, postgres_prod):
    folder = make(tmp_path / "app", postgres_local.url, postgres_prod.url)
    try:
        assert folder.run("restart").returncode == 0
        code, report = examine(folder)
        assert (code, levels(report)) == (0, ALWAYS)
        assert report["server"]["state"] == "ready"
        assert report["server"]["started_by_dbswitch"] is True
        assert report["server"]["next_lock"] == "held"
        row = next(row for row in report["readers"] if row["reader"] == "running server")
        assert (row["target"], row["source"], row["agreement"]) == ("local", ".env.local", "same")
        bind(folder, ".env.local", DATABASE_URL=postgres_prod.url, DATABASE_URL_LOCAL=postgres_local.url)
        assert levels(examine(folder)[1])["server-stale"] == "warning"
    finally:
        folder.run("stop")
        end(folder.living())


def test_a_server_started_with_an_exported_url_is_not_on_what_the_files_say(served, postgres_prod):
    server = subprocess.Popen(
        [sys.executable, STANDIN, "dev", "-p", str(served.port)],
        cwd=served.root,
        env=running.environment(DATABASE_URL=postgres_prod.url, **{TOKEN: served.token}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until = time.monotonic() + running.DEADLINE
        while (report := examine(served)[1])["server"]["state"] != "ready":
            assert time.monotonic() < until, report["server"]
        assert levels(report) == {**ALWAYS, "server-elsewhere": "problem"}
        row = next(row for row in report["readers"] if row["reader"] == "running server")
        assert (row["target"], row["source"]) == ("prod", "process environment")
        assert report["server"]["started_by_dbswitch"] is False
    finally:
        end(served.living())
        server.wait(running.DEADLINE)


def test_local_behind_a_tunnel_is_not_local(served, postgres_local, tmp_path):
    # A program of that name, which passes connections on to the database.
    (tmp_path / "ssh").symlink_to(Path(sys.executable).resolve())
    passing_on = textwrap.dedent(f"""
        import socket, threading
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        def pump(source, sink):
            try:
                while part := source.recv(65536):
                    sink.sendall(part)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        while True:
            here = listener.accept()[0]
            there = socket.create_connection(("127.0.0.1", {postgres_local.server.port}))
            for pair in ((here, there), (there, here)):
                threading.Thread(target=pump, args=pair, daemon=True).start()
    """)
    with subprocess.Popen([tmp_path / "ssh", "-c", passing_on], stdout=subprocess.PIPE, text=True) as tunnel:
        try:
            assert tunnel.stdout is not None
            port = int(tunnel.stdout.readline())
            through = postgres_local.url.replace(f":{postgres_local.server.port}/", f":{port}/")
            bind(served, ".env.local", DATABASE_URL=through, DATABASE_URL_LOCAL=through)
            bind(served, ".env", DATABASE_URL=through)
            code, report = examine(served)
        finally:
            tunnel.kill()
    assert code == 1
    assert levels(report) == {"no-hot-client": "info", "no-identity-route": "info", "local-tunnel": "warning"}
    assert report["targets"][0]["reachable"] is True


@contextlib.contextmanager
def nobody_special() -> Iterator[None]:
    """Root may read everything; for the block we are somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


def test_files_that_are_closed_to_us_are_findings_not_an_end(open_place):
    port = free_port()
    folder = make(open_place / "app", url(port, "shop_local"), url(port, "shop_prod"))
    (folder.root / ".dbswitch").mkdir(0o700)
    (folder.root / ".dbswitch" / "switch.json").write_text("{}")
    examine(folder)  # loads what it imports: as nobody the interpreter's own folder may be closed to us too
    for name in (".dbswitch", ".env"):
        (folder.root / name).chmod(0)
    with nobody_special():
        code, report = examine(folder)
    (folder.root / ".dbswitch").chmod(0o700)
    assert code == 1
    assert {"env-unreadable", "targets-unreadable", "file-not-writable"} <= set(levels(report))


def test_a_generated_file_is_current_edited_or_of_another_version():
    made = writing.sign("client", "lib/prisma.ts", "export const a = 1;\n").content
    assert generated_state(made) is GeneratedState.CURRENT
    assert generated_state(made.replace(b"\n", b"\r\n")) is GeneratedState.CURRENT
    assert generated_state(made + b"// mine\n") is GeneratedState.EDITED
    assert generated_state(made.replace(b"sha256=", b"sha=")) is GeneratedState.EDITED
    assert generated_state(b"export const a = 1;\n") is GeneratedState.FOREIGN
    newer = made.replace(f" v{HEADER_VERSION} ".encode(), f" v{HEADER_VERSION + 1} ".encode())
    assert generated_state(newer) is GeneratedState.NEWER
    older = made.replace(f" v{HEADER_VERSION} ".encode(), f" v{HEADER_VERSION - 1} ".encode())
    assert generated_state(older) is GeneratedState.OUTDATED


def test_an_edited_client_in_the_project_is_found(served):
    made = writing.sign("client", "lib/prisma.ts", "export const a = 1;\n").content
    served.write("lib/prisma.ts", made.decode() + "// mine\n")
    _, report = examine(served)
    assert report["generated"] == [{"path": "lib/prisma.ts", "kind": "client", "state": "edited"}]
    assert levels(report) == {
        "generated-edited": "warning", "no-identity-route": "info", "protected-here": "info",
    }  # fmt: skip


def test_without_a_project_and_with_a_wrong_word_it_is_usage(tmp_path):
    (tmp_path / ".git").mkdir()
    done = running.run("doctor", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no project here" in done.stderr
    done = running.run("doctor", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error"]["code"] == "config"
    assert running.run("doctor", "--nonsense", cwd=tmp_path).returncode == 2


def test_the_project_may_be_given_and_quiet_says_only_what_is_wrong(down, tmp_path):
    done = running.run("doctor", "--project", str(down.root), "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    assert "target-unreachable" in done.stdout
    assert "no-hot-client" not in done.stdout
    assert "which database each reader" not in done.stdout


def test_colours_are_for_terminals_and_no_color_is_obeyed(down):
    assert "\x1b" not in down.run("doctor").stdout
    for value, coloured in (("", True), ("1", False)):
        with down.terminal("doctor", env={"NO_COLOR": value}) as terminal:
            assert terminal.end() == 1
        assert ("\x1b[" in terminal.seen) is coloured
        assert max(len(line) for line in terminal.text.splitlines()) <= 80


def test_what_it_prints_is_what_is_documented(served):
    code, report = ask(served)
    assert code == 0
    assert report["v"] == 1
    assert_documented("doctor", report)
