"""The demo app with the admin route and page, and requests to the route as a browser or somebody else would send them."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.nextapp import LONG, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer

ROUTE = "/api/admin/database"
PAGE = "/admin/configuration"
CLOCK = ".clock"
_SECONDS = "performance.now() / 1_000"  # of the generated server.ts


@dataclass(frozen=True, slots=True)
class Said:
    """An answer of the route; `body` is {} where it was no JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Admin:
    """Asks the route of one app and keeps every answer, so that a test can look for what must be in none."""

    def __init__(self, app: AppFolder) -> None:
        self.app = app
        self.token = app.read(".dbswitch/token").strip()
        self.everything = ""
        self.passed = 0  # seconds of `with_clock`

    def ask(
        self,
        method: str = "GET",
        query: str = "",
        *,
        body: Any = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Said:
        """Send what the page would send; a header given as None is left out.

        After its start and after an env file changed Next.js has no route for a moment, and answers with its own page.
        """
        return wait_until(
            self.app.until_found(lambda: self._ask(method, query, body, headers or {}), _is_page),
            LONG,
            lambda: f"the route is not found\n{self.app.log()[-3000:]}",
        )

    def ask_in_time(self, method: str = "GET", query: str = "", **more: Any) -> Said:
        """Ask; where there were too many requests, let as much time pass as the route says and ask again."""
        said = self.ask(method, query, **more)
        if said.status == 429:
            self.pass_time(retry_after(said))
            said = self.ask(method, query, **more)
        return said

    def pass_time(self, seconds: int) -> None:
        """Move the clock of :func:`with_clock` forward."""
        self.passed += seconds
        self.app.write(CLOCK, str(self.passed))

    def _ask(self, method: str, query: str, body: Any, headers: Mapping[str, str | None]) -> Said:
        host = f"localhost:{self.app.port}"
        sent: dict[str, str | None] = {"Host": host, "x-dbswitch-token": self.token}
        if method == "POST":
            sent |= {"Content-Type": "application/json", "Origin": f"http://{host}"}
        sent |= headers
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.app.port, timeout=LONG)
        try:
            connection.request(
                method,
                ROUTE + query,
                content,
                {name: value for name, value in sent.items() if value is not None},
            )
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        self.everything += text
        try:
            found = json.loads(text)
        except ValueError:
            found = {}
        return Said(response.status, found, dict(response.headers))

    def post(self, target: str, confirm: str | None = None, mode: str | None = None) -> Said:
        given = {"target": target, "confirm": confirm, "mode": mode}
        return self.ask_in_time(
            "POST", body={name: value for name, value in given.items() if value is not None}
        )

    def finish(self, run_id: str) -> dict[str, Any]:
        """Follow a run, through the death of the server, and return its result."""

        def look() -> dict[str, Any] | None:
            try:
                said = self.ask(query=f"?id={run_id}")
            except OSError:
                return None
            if said.status != 200 or not said.body["over"]:
                return None
            result: dict[str, Any] = said.body["events"][-1]
            return result

        return wait_until(look, LONG, lambda: f"run {run_id} did not end\n{self.app.log()[-3000:]}")


def _is_page(said: Said) -> bool:
    """Whether Next.js answered that there is nothing, and not the route."""
    return said.status == 404 and "dbswitch" not in said.body


def retry_after(said: Said) -> int:
    """Return the seconds that the route asks its caller to wait."""
    return int({name.lower(): value for name, value in said.headers.items()}["retry-after"])


def with_clock(app: AppFolder) -> AppFolder:
    """Let the seconds over which the route counts requests pass at `Admin.pass_time` only: no test waits for them."""
    file = f"app{ROUTE}/server.ts"
    text = app.read(file)
    assert text.count(_SECONDS) == 1
    app.write(file, text.replace(_SECONDS, f'Number(read("{CLOCK}"))'))
    return app


def generate(app: AppFolder, *kinds: str) -> AppFolder:
    """Run `dbswitch init` and `dbswitch generate KIND` for each kind."""
    for arguments in (("init", "--yes"), *(("generate", kind, "--force") for kind in kinds)):
        done = app.dbswitch(*arguments)
        assert done.returncode == 0, done.stderr
    return app


def assert_answers_from(app: AppFolder, server: ShopServer) -> None:
    """The app's own route shows this server's rows; it may have to be compiled first."""
    app.get_route()
    app.assert_answers_from(server)


def with_banner(app: AppFolder) -> AppFolder:
    layout = app.read("app/layout.tsx").replace("<body>", "<body><DatabaseBanner />")
    app.write(
        "app/layout.tsx",
        'import { DatabaseBanner } from "@/components/database-banner";\n' + layout,
    )
    return app


def serve(app: AppFolder) -> Admin:
    """Start the server as a person would, and wait until the route is compiled."""
    done = app.dbswitch("dev", "--detach", timeout=LONG)
    assert done.returncode == 0, done.stderr
    return answering(app)


def answering(app: AppFolder) -> Admin:
    """Wait until the route of a running server is compiled."""
    admin = Admin(app)
    assert admin.ask().status == 200
    return admin
