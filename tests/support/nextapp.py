"""Real Next.js + Prisma apps for tests: each test gets a folder of its own, ready for `dbswitch dev`.

The source is the demo's. Packages and the generated client come from the cache; `node_modules` is a copy by hard links:
Turbopack refuses a symlink that leaves its root.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import psutil
import pytest

import dbswitch.demo
from dbswitch.demo import shop_app
from dbswitch.demo.postgres import free_port
from tests.support import cache, forkserver, npm, packages
from tests.support.processes import end, with_variable
from tests.support.started import started

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.support.postgres import ShopServer

BASE = Path(dbswitch.demo.__file__).parent / "app"
_FIXTURES = Path(__file__).parents[1] / "fixtures"
LEGS = {"base": BASE, "newest": _FIXTURES / "newest"}
_PACKAGES = {**LEGS, "next14": _FIXTURES / "next14"}  # Next.js 14: for single tests
REPOSITORY = Path(__file__).parents[2]
# Cheaper than the demo's page and `next.config.ts`; see `NextApp`.
HOME = """export const dynamic = "force-dynamic";

export async function GET() {
  return new Response("ready");
}
"""
CONFIG = "export default { turbopack: { root: import.meta.dirname } };\n"
T = TypeVar("T")
LONG = 180.0  # seconds; a busy machine compiles slowly
APP_MARKER = "DBSWITCH_TEST_APP"
# What a person's shell may hold and would change what a test sees.
_NOT_INHERITED = (
    "DATABASE_URL",
    "DIRECT_URL",
    "SHADOW_DATABASE_URL",
    "PORT",
    "NODE_ENV",
    "NODE_OPTIONS",
    "NO_COLOR",
)
_numbers = itertools.count(1)


def _place_source(place: Path, leg: str) -> None:
    shop_app.copy_source(place)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(_PACKAGES[leg] / name, place / name)


def generated_for(leg: str) -> Path:
    """Return the Prisma client generated with this leg's packages."""
    recipe = f"{npm.digest(_PACKAGES[leg])}-{npm.digest(BASE, ('prisma/schema.prisma', 'prisma.config.ts'))}"

    def make(unfinished: Path) -> None:
        app = unfinished / "app"
        _place_source(app, leg)
        packages.copy(npm.node_modules_for(_PACKAGES[leg]), app / "node_modules")
        shop_app.generate_client(app)
        (app / "generated").rename(unfinished / "generated")
        shutil.rmtree(app)

    folder = cache.root() / "generated"
    folder.mkdir(parents=True, exist_ok=True)
    return cache.once(folder / recipe, make) / "generated"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP request gave; status 0 when nobody answered."""

    status: int
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class AppFolder:
    """One app. `port` is its own and free; its `dev` script and every process started here use it."""

    root: Path
    leg: str
    port: int
    marker: str
    extra: dict[str, str] = field(default_factory=dict)  # more environment for what is started
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    own_packages: bool = False  # its node_modules are not for another app

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in _NOT_INHERITED and not key.startswith(("npm_", "PG", "__NEXT", "NEXT_"))
        }
        own = {"NEXT_TELEMETRY_DISABLED": "1", APP_MARKER: self.marker}
        return kept | forkserver.interpreter_settings() | own | self.extra | dict(more or {})

    # Files

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        self.own_packages |= name.startswith("node_modules/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    # dbswitch and other programs

    def dbswitch(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = LONG
    ) -> subprocess.CompletedProcess[str]:
        """Run `dbswitch ARGUMENTS` here and return how it ended."""
        whole = self.environment(env)
        forked = forkserver.run("dbswitch", arguments, cwd=self.root, env=whole, stdin="", timeout=timeout)
        if forked is not None:
            return forked
        return subprocess.run(
            [sys.executable, "-m", "dbswitch", *arguments],
            cwd=self.root,
            env=whole,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def events(
        self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = LONG
    ) -> tuple[int, list[dict[str, Any]]]:
        """Run `dbswitch ARGUMENTS --json`; return the exit code and the events."""
        done = self.dbswitch(*arguments, "--json", env=env, timeout=timeout)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def popen(
        self, *command: str, env: Mapping[str, str] | None = None, log: str = "popen.log"
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own, as a person's other terminal would; its output goes to `log`."""
        with (self.root.parent / log).open("ab") as stream:
            process = subprocess.Popen(
                command,
                cwd=self.root,
                env=self.environment(env),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def dbswitch_popen(
        self, *arguments: str, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `dbswitch ARGUMENTS` (for example the foreground `dev`) and go on."""
        return self.popen(sys.executable, "-m", "dbswitch", *arguments, env=env, log="dbswitch.log")

    def start_by_hand(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Run `npm run dev`, without dbswitch, and wait until it answers."""
        process = self.popen("npm", "run", "dev", env=env, log="by-hand.log")
        self.wait_for_answer()
        return process

    # Over HTTP

    def get(
        self, path: str = "/api/items", *, headers: Mapping[str, str] | None = None, timeout: float = LONG
    ) -> Answer:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=dict(headers or {}))
        # A proxy of the machine is not for its own loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(errors="replace"))
        except OSError as error:
            return Answer(0, str(error))

    def wait_for_answer(self, path: str = "/api/items", *, deadline: float = LONG) -> Answer:
        """Ask until the answer is 200."""
        look = self.until_found(lambda: self.get(path), lambda answer: answer.status == 404)
        return wait_until(
            lambda: answer if (answer := look()) is not None and answer.status == 200 else None,
            deadline,
            lambda: f"{path} did not answer 200: {self.get(path)}\n{self.log()[-3000:]}",
        )

    def get_route(
        self, path: str = "/api/items", *, headers: Mapping[str, str] | None = None, deadline: float = LONG
    ) -> Answer:
        """Get a route that exists; Next.js knows none for a moment after its start and after an env file changed."""
        return wait_until(
            self.until_found(lambda: self.get(path, headers=headers), lambda answer: answer.status == 404),
            deadline,
            lambda: f"{path} is not found\n{self.log()[-3000:]}",
        )

    def until_found(self, ask: Callable[[], T], is_missing: Callable[[T], bool]) -> Callable[[], T | None]:
        """Return a look for :func:`wait_until` that gives None while the route is missing.

        Next.js below 16.4 may have missed a folder when it started, until a file changes (vercel/next.js issue 98985).
        """
        touch_at = time.monotonic() + 2

        def look() -> T | None:
            nonlocal touch_at
            answer = ask()
            if not is_missing(answer):
                return answer
            if time.monotonic() >= touch_at:
                self._touch_routes()
                touch_at = time.monotonic() + 2
            return None

        return look

    def _touch_routes(self) -> None:
        for folder in ("app", "pages", "src/app", "src/pages"):
            for path in (self.root / folder).rglob("*.*s*"):
                with contextlib.suppress(OSError):
                    os.utime(path)

    def ask(self, path: str = "/api/items") -> Any:
        """Return the JSON of a route that exists and answers 200."""
        answer = self.get_route(path)
        assert answer.status == 200, f"{answer}\n{self.log()[-3000:]}"
        return answer.json

    def shop(self) -> dict[str, Any]:
        """Return what the app's own route answers through Prisma, without `bucket`."""
        content = dict(self.ask())
        content.pop("bucket")
        return content

    def assert_answers_from(self, server: ShopServer) -> None:
        """The app's own route shows this server's rows."""
        assert self.shop() == server.answer

    def assert_page_shows(self, server: ShopServer) -> None:
        """The page of an app made `as_demo` shows them too; a page takes Next.js five seconds of processor time to compile, a route one."""
        assert server.shop.name in self.get("/").body

    # Processes

    def processes(self) -> list[psutil.Process]:
        """Return every living process that was started from here or works in this folder."""
        return with_variable(APP_MARKER, self.marker)

    def next_servers(self) -> list[psutil.Process]:
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if "next-server" in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def assert_one_server_tree(self) -> None:
        """Exactly one `next-server`, and no other process that is not above or below it."""
        servers = self.next_servers()
        assert len(servers) == 1, self.describe()
        [server] = servers
        family = {
            server.pid,
            *(p.pid for p in server.parents()),
            *(p.pid for p in server.children(recursive=True)),
        }
        # The tests' own dbswitch in the foreground, its shell tools and this process are no servers.
        strangers = [
            p for p in self.processes() if p.pid not in family and "dbswitch" not in " ".join(p.cmdline())
        ]
        assert not strangers, self.describe()

    def assert_no_process(self) -> None:
        assert not self.processes(), self.describe()

    def describe(self) -> str:
        lines = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                lines.append(f"{process.pid} (parent {process.ppid()}): {' '.join(process.cmdline())}")
        return "processes of this app:\n" + ("\n".join(lines) or "none")

    def log(self) -> str:
        """Return what the server wrote, whoever started it, oldest first."""
        return "".join(path.read_text(errors="replace") for path in self._logs() if path.exists())

    def _logs(self) -> list[Path]:
        names = (".dbswitch/server.log.1", ".dbswitch/server.log", "../by-hand.log", "../dbswitch.log")
        return [self.root / name for name in names]

    def assert_clean_log(self) -> None:
        """The server's log has none of the troubles that this tool exists for."""
        log = self.log()
        for trouble in (
            "Unable to acquire lock",
            "Another next dev server",
            "is in use",
            "EADDRINUSE",
            "P1001",
        ):
            assert trouble not in log, log[-4000:]

    def stop(self) -> None:
        """End every process of this app, and forget what the servers wrote."""
        end(self.processes())
        for process in self.started:
            process.wait(60)
        self.started.clear()
        started["boots of Next.js"] += self.log().count("▲ Next.js")
        for path in self._logs():
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        self.stop()
        if self.leg in _PACKAGES and not self.own_packages:
            packages.give_back(npm.node_modules_for(_PACKAGES[self.leg]), self.root / "node_modules")
        shutil.rmtree(self.root.parent)


def wait_until(look: Callable[[], T | None], deadline: float, complaint: Callable[[], str]) -> T:
    """Look every 20 ms until there is something; fail after `deadline` seconds."""
    until = time.monotonic() + deadline
    while (found := look()) is None:
        assert time.monotonic() < until, complaint()
        time.sleep(0.02)
    return found


class NextApp(Protocol):
    def __call__(
        self,
        leg: str = "base",
        *,
        local: str | None = None,
        prod: str | None = None,
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        as_demo: bool = False,
    ) -> AppFolder:
        """Return a new app. `local` and `prod` are URLs: `.env.local` then holds both, companions too, `local` active.

        `files` are further files (or `.env.local` itself); `env` is what its processes get besides. `as_demo` keeps
        what costs Next.js seven seconds of processor time at each start, since `dbswitch` asks for `/`: the page, which
        is a route otherwise, and `next.config.ts`.
        """


def env_local(local: str, prod: str) -> str:
    return (
        "# which database the app uses\n"
        f'DATABASE_URL="{local}"\n'
        'BLOB_BUCKET="files-local"\n'
        "\n"
        f'DATABASE_URL_LOCAL="{local}"\n'
        "BLOB_BUCKET_LOCAL=files-local\n"
        f"export DATABASE_URL_PRODUCTION='{prod}'  # ask before use\n"
        "BLOB_BUCKET_PRODUCTION=files-prod\n"
    )


@contextlib.contextmanager
def apps() -> Iterator[NextApp]:
    """Give a factory of apps; what they started is stopped and their folders are removed at the end."""
    made: list[AppFolder] = []
    # On the cache's file system: hard links do not reach another one.
    folder = cache.root() / "apps"
    folder.mkdir(parents=True, exist_ok=True)

    def make(
        leg: str = "base",
        *,
        local: str | None = None,
        prod: str | None = None,
        files: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        as_demo: bool = False,
    ) -> AppFolder:
        home = Path(tempfile.mkdtemp(prefix=f"{leg}-{next(_numbers)}-", dir=folder))
        app = AppFolder(home / "app", leg, free_port(), secrets.token_hex(8), dict(env or {}))
        made.append(app)
        modules, generated = npm.node_modules_for(_PACKAGES[leg]), generated_for(leg)
        _place_source(app.root, leg)
        packages.place(modules, app.root / "node_modules")
        shutil.copytree(generated, app.root / "generated")
        if not as_demo:
            for name in ("next.config.ts", "app/page.tsx"):
                (app.root / name).unlink()
            app.write("next.config.mjs", CONFIG)
            app.write("app/route.ts", HOME)
        manifest = json.loads(app.read("package.json"))
        manifest["scripts"]["dev"] = f"next dev -p {app.port}"
        manifest["scripts"]["start"] = f"next start -p {app.port}"
        app.write("package.json", json.dumps(manifest, indent=2) + "\n")
        if local and prod:
            app.write(".env.local", env_local(local, prod))
        for name, text in (files or {}).items():
            app.write(name, text)
        return app

    try:
        yield make
    finally:
        for app in made:
            app.remove()


@pytest.fixture
def next_app() -> Iterator[NextApp]:
    """A factory of apps for one test."""
    with apps() as make:
        yield make
