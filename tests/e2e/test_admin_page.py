"""The admin page in a real browser, on the real app: switching both ways, through the server's own death."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import HOLD, LATER_MIGRATION
from tests.generate.admin import LONG, PAGE, answering, assert_answers_from
from tests.support.nextapp import wait_until

if TYPE_CHECKING:
    from tests.e2e.conftest import GeneratedOnLocal
    from tests.generate.admin import Admin
    from tests.support.browser import Browser
    from tests.support.nextapp import AppFolder
    from tests.support.postgres import FreshPostgres, ShopServer

pytestmark = [pytest.mark.real, pytest.mark.slow]

# Where the pictures of the documentation go: see `make pictures`
PICTURES = os.environ.get("DBSWITCH_SCREENSHOTS")
AWAY = "The server is not answering"
# If the server was stopped before the page heard that the switch is one with a restart.
AWAY_BEFORE_THE_PLAN = "The server does not answer at the moment"


class Screen:
    """The page as a person uses it."""

    def __init__(self, browser: Browser, admin: Admin) -> None:
        self.browser = browser
        self.url = f"http://localhost:{admin.app.port}{PAGE}"
        self.token = admin.token
        self.app = admin.app

    def run(self, code: str) -> Any:
        return self.browser.run(code, timeout=LONG * 2)

    def open(self) -> None:
        """Open the page; Next.js knows no page for a moment after an env file changed."""
        self.app.get_route(PAGE)
        self.run(
            f"""
            const end = Date.now() + {LONG * 1000:.0f};
            while ((await page.goto({json.dumps(self.url)})).status() === 404)
              if (Date.now() > end) throw new Error("not found");
            """
        )

    def unlock(self) -> None:
        self.open()
        self.see("needs the project")
        self.picture("key")
        self.run(
            'await page.fill("#dbs-key", "not the key");'
            'await page.getByRole("button", { name: "Continue" }).click();'
            'await page.getByText("That is not the key").waitFor();'
            f'await page.fill("#dbs-key", {json.dumps(self.token)});'
            'await page.getByRole("button", { name: "Continue" }).click();'
        )
        self.see("The app is on")

    def see(self, text: str) -> None:
        self.run(
            f"await page.getByText({json.dumps(text)}).first().waitFor({{ timeout: {LONG * 1000:.0f} }})"
        )

    def see_one_of(self, *texts: str) -> None:
        shown = "|".join(re.escape(text) for text in texts)
        self.run(f"await page.getByText(/{shown}/).first().waitFor({{ timeout: {LONG * 1000:.0f} }})")

    def click(self, name: str) -> None:
        self.run(f'await page.getByRole("button", {{ name: {json.dumps(name)}, exact: true }}).click()')

    def ask(self, target: str, *, restart: bool = False, typed: str = "") -> None:
        """Ask for a switch, with a new record of what the page shows."""
        self.browser.forget_shown()
        if restart:
            self.run('await page.locator(".dbs-option input").check()')
        self.click(f"Switch to {target}")
        if typed:
            self.confirm(typed)

    def wait_until_shown(self, *texts: str) -> list[str]:
        return self.browser.wait_until_shown(*texts, timeout=LONG)

    def load_again(self) -> None:
        """Load the page from a new server; otherwise Next's own client does so, at a moment of its choice."""
        self.run(
            f"""
            const end = Date.now() + {LONG * 1000:.0f};
            const reload = () => page.reload().then(() => true).catch((error) => {{
              if (Date.now() > end) throw error; // Next's own client was faster
            }});
            while (!(await reload()));
            """
        )
        self.see("The app is on")

    def confirm(self, name: str) -> None:
        self.see("is protected.")
        self.run(f'await page.fill("#dbs-typed", {json.dumps(name)}); await page.keyboard.press("Enter")')

    def name(self) -> str:
        self.see("The app is on")
        return str(self.run('return await page.innerText(".dbs-name")')).split("\n")[0]

    def assert_accessible(self) -> None:
        for scheme in ("dark", "light"):
            found = self.run(f'await page.emulateMedia({{ colorScheme: "{scheme}" }}); return await axe()')
            assert [one for one in found if one["impact"] in {"serious", "critical"}] == []

    def picture(self, name: str, scheme: str = "light") -> None:
        if not PICTURES:
            return
        path = (Path(PICTURES) / f"admin-{name}.png").absolute()
        self.run(
            f'await page.emulateMedia({{ colorScheme: "{scheme}" }});'
            'await page.addStyleTag({ content: "nextjs-portal { display: none }" });'
            f"await page.screenshot({{ path: {json.dumps(str(path))} }});"
            'await page.emulateMedia({ colorScheme: "light" });'
        )


@pytest.fixture
def app(generated_on_local: GeneratedOnLocal, postgres_prod: ShopServer) -> AppFolder:
    return generated_on_local(postgres_prod.url)


def test_a_hot_switch_to_prod_keeps_the_server_and_leaving_prod_is_followed_through_the_gap(
    app: AppFolder, browser: Browser, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    held = app.root / HOLD
    screen = Screen(browser, answering(app))
    screen.unlock()
    assert screen.name() == "local"
    screen.assert_accessible()
    screen.picture("local")

    # A protected target: Escape leaves everything as it was, and only the right name opens the way.
    screen.click("Switch to prod")
    screen.see("is protected.")
    screen.run('await page.fill("#dbs-typed", "other")')
    assert screen.run('return await page.locator("dialog button[type=submit]").isDisabled()')
    screen.picture("confirm")
    screen.run(
        'await page.keyboard.press("Escape"); await page.locator("dialog").waitFor({ state: "detached" })'
    )

    for target, typed, server in (
        ("prod", "prod", postgres_prod),
        ("local", "", postgres_local),
    ):
        servers = {process.pid for process in app.next_servers()}
        if target == "local":
            held.touch()
        screen.ask(target, typed=typed)
        if target == "local":
            screen.wait_until_shown("Switching to local")
            screen.see_one_of(AWAY, AWAY_BEFORE_THE_PLAN)
            held.unlink()
        shown = screen.wait_until_shown(
            f"Switched to {target}, confirmed by the app (", f"localhost:{server.server.port}"
        )
        assert any(f"Switching to {target}" in text for text in shown)
        assert screen.name() == target
        stays = {process.pid for process in app.next_servers()} == servers
        assert stays == (target == "prod")
        assert any(AWAY in text for text in shown) <= (not stays)
        assert_answers_from(app, server)
        if not stays:
            screen.load_again()
        screen.run(
            "await page.locator('aside[aria-label=\"Database of this app\"]')"
            f'.getByText("{target}", {{ exact: true }}).waitFor()'
        )
        if target == "prod":
            screen.assert_accessible()
            screen.picture("prod")
            screen.picture("prod-dark", "dark")
    app.assert_clean_log()


@pytest.mark.sweep
@pytest.mark.parametrize("targets", [("prod", "local"), ("prod", "local", "prod")])
def test_there_and_back_with_a_restart_is_followed_through_the_gap(
    app: AppFolder,
    browser: Browser,
    postgres_local: ShopServer,
    postgres_prod: ShopServer,
    targets: tuple[str, ...],
) -> None:
    held = app.root / HOLD
    screen = Screen(browser, answering(app))
    screen.unlock()
    for target in targets:
        server = postgres_prod if target == "prod" else postgres_local
        servers = {process.pid for process in app.next_servers()}
        protected = target == "prod"
        held.touch()
        screen.ask(target, restart=protected, typed=server.shop.database if protected else "")
        screen.wait_until_shown(f"Switching to {target}")
        screen.see_one_of(AWAY, AWAY_BEFORE_THE_PLAN)
        screen.picture("gap")
        held.unlink()
        screen.wait_until_shown(
            f"Switched to {target}, confirmed by the app (restart", f"localhost:{server.server.port}"
        )
        screen.load_again()
        assert screen.name() == target
        assert_answers_from(app, server)
        app.assert_one_server_tree()
        assert not servers & {process.pid for process in app.next_servers()}
    screen.run('await page.getByText("Steps", { exact: true }).click()')
    steps = screen.run('return await page.locator(".dbs-steps li").allInnerTexts()')
    shown = [line for step in steps for line in step.split("\n")]
    for label in ("Stop the server", "Change the env files", "Start the server", "Wait for its first answer"):
        assert label in shown
    screen.picture("steps")
    app.assert_clean_log()


# A run without a page: tests/generate/test_admin_route.py; a page that is loaded during a run: test_admin_states.py.
@pytest.mark.sweep
def test_a_tab_that_is_closed_midway_changes_nothing_and_a_new_one_finds_the_switch(
    app: AppFolder, browser: Browser, postgres_prod: ShopServer
) -> None:
    held = app.root / HOLD
    admin = answering(app)
    screen = Screen(browser, admin)
    screen.unlock()
    held.touch()
    screen.ask("prod", restart=True, typed=postgres_prod.shop.database)
    screen.wait_until_shown("Switching to prod")
    screen.run("await fresh(); await context.pages()[0].close()")
    held.unlink()

    def ended() -> dict[str, Any] | None:
        try:
            return next((one for one in admin.ask().body["history"] if one["to"] == "prod"), None)
        except (OSError, KeyError, TypeError, ValueError):  # the server is away
            return None

    past = wait_until(ended, LONG, lambda: app.log()[-3000:])
    screen.open()  # the key is the browser's, not the tab's
    assert screen.name() == "prod"
    assert (past["outcome"], past["verified"], past["mode"]) == ("switched", True, "restart")
    assert_answers_from(app, postgres_prod)


def test_a_target_that_is_down_is_told_with_what_to_do_and_nothing_has_changed(
    generated_on_local: GeneratedOnLocal,
    browser: Browser,
    postgres_local: ShopServer,
    fresh_postgres: FreshPostgres,
) -> None:
    down = fresh_postgres()
    app = generated_on_local(down.url, toml="[database]\nrestart_deadline = 3\n")
    app.write(f"{LATER_MIGRATION}/migration.sql", "SELECT 1;\n")
    screen = Screen(browser, answering(app))
    down.server.stop()
    before = app.read(".env.local")
    screen.unlock()
    screen.see("1 migration not applied here.")
    screen.ask("prod", typed=down.shop.database)
    shown = screen.wait_until_shown("Not switched to prod: nothing was changed.", "What to do:")
    assert not any("://" in text for text in shown)
    assert screen.name() == "local"
    screen.picture("down")
    assert app.read(".env.local") == before
    assert_answers_from(app, postgres_local)


def test_cancel_ends_the_wait_for_a_database_that_is_down_at_once(
    generated_on_local: GeneratedOnLocal,
    browser: Browser,
    postgres_local: ShopServer,
    fresh_postgres: FreshPostgres,
) -> None:
    down = fresh_postgres()
    app = generated_on_local(down.url, toml=f"[database]\nrestart_deadline = {LONG * 10:.0f}\n")
    screen = Screen(browser, answering(app))
    down.server.stop()
    before = app.read(".env.local")
    screen.unlock()
    screen.ask("prod", typed="prod")
    screen.see("connection refused")
    screen.picture("probing")
    screen.click("Cancel")
    screen.see("The switch to prod was cancelled. Nothing was changed.")
    assert screen.name() == "local"
    assert app.read(".env.local") == before
    assert_answers_from(app, postgres_local)
