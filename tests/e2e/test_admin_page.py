"""The admin page in a real browser, on the real app: switching both ways, through the server's own death."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.generate.admin import LONG, PAGE, assert_answers_from, generate, serve, with_banner
from tests.support.browser import Browser, browser
from tests.support.nextapp import wait_until

if TYPE_CHECKING:
    from tests.generate.admin import Admin
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import FreshPostgres, ShopServer

__all__ = ["browser"]

pytestmark = [pytest.mark.real, pytest.mark.slow]

# Where the pictures of the documentation go: see `make pictures`
PICTURES = os.environ.get("DBSWITCH_SCREENSHOTS")
AWAY = "The server is away"


class Screen:
    """The page as a person uses it."""

    def __init__(self, browser: Browser, admin: Admin) -> None:
        self.browser = browser
        self.url = f"http://localhost:{admin.app.port}{PAGE}"
        self.token = admin.token

    def run(self, code: str) -> Any:
        return self.browser.run(code, timeout=LONG * 2)

    def open(self) -> None:
        self.run(f"await page.goto({json.dumps(self.url)}, {{ timeout: 120_000 }})")

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

    def click(self, name: str) -> None:
        self.run(f'await page.getByRole("button", {{ name: {json.dumps(name)}, exact: true }}).click()')

    def ask(self, target: str, *, restart: bool = False, typed: str = "") -> str:
        """Ask for a switch and return the page's text once it runs; ask again where the page is loaded anew just then.

        Next's own client reloads the page when the server is back, and what was clicked a moment before is lost.
        """
        restart_box = 'await page.locator(".dbs-option input").check();' if restart else ""
        name = json.dumps(f"Switch to {target}")
        confirm = f'await page.fill("#dbs-typed", {json.dumps(typed)}); await page.keyboard.press("Enter");'
        text: str = self.run(
            f"""
            const end = Date.now() + {LONG * 1000:.0f};
            const loaded = () => page.evaluate(() => performance.timeOrigin).catch(() => null);
            const begun = async () => {{
              const text = await page.innerText("main", {{ timeout: 2_000 }}).catch(() => "");
              return /Switch(ing|ed) to {target}\\b/.test(text) && text;
            }};
            while (Date.now() < end) {{
              const before = await loaded();
              try {{
                page.setDefaultTimeout(10_000);
                {restart_box}
                await page.getByRole("button", {{ name: {name}, exact: true }}).click();
                {confirm if typed else ""}
              }} catch (error) {{
                if (before === await loaded()) throw error;
              }} finally {{
                page.setDefaultTimeout(60_000);
              }}
              while (before === await loaded() && Date.now() < end) {{
                const text = await begun();
                if (text) return text;
                await page.waitForTimeout(20);
              }}
              await page.getByText("The app is on").or(page.getByText("Switching to")).first().waitFor();
              const text = await begun();
              if (text) return text;
            }}
            throw new Error("the switch did not begin: " + await page.innerText("main"));
            """
        )
        return text

    def confirm(self, name: str) -> None:
        self.see("is protected.")
        self.run(f'await page.fill("#dbs-typed", {json.dumps(name)}); await page.keyboard.press("Enter")')

    def name(self) -> str:
        self.see("The app is on")
        return str(self.run('return await page.innerText(".dbs-name")')).split("\n")[0]

    def name_now(self) -> str:
        """Return the same without waiting for it; empty where the page does not show it."""
        try:
            names = self.run('return await page.locator(".dbs-name").allInnerTexts()')
        except AssertionError:  # just then it loads anew: Next's own client does so when the server is back
            return ""
        return str(names[0]).split("\n")[0] if names else ""

    def watch(self, until: str) -> list[str]:
        """Return every different text of the page up to the one with `until`; a reload in between is part of it."""
        found: list[str] = self.run(
            f"""
            const seen = [];
            const end = Date.now() + {LONG * 1000:.0f};
            while (Date.now() < end) {{
              const text = await page.innerText("main", {{ timeout: 2_000 }}).catch(() => "(reloading)");
              if (text !== seen.at(-1)) seen.push(text);
              if (text.includes({json.dumps(until)})) return seen;
              await page.waitForTimeout(40);
            }}
            throw new Error("not seen: " + seen.slice(-2).join("\\n---\\n"));
            """
        )
        return found

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
def app(next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer) -> AppFolder:
    made = next_app(local=postgres_local.url, prod=postgres_prod.url)
    return with_banner(generate(made, "client", "page"))


def test_a_hot_switch_to_prod_keeps_the_server_and_leaving_prod_restarts_it(
    app: AppFolder, browser: Browser, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    admin = serve(app)
    screen = Screen(browser, admin)
    screen.unlock()
    assert screen.name() == "local"
    screen.assert_accessible()
    screen.picture("local")

    # A protected target: Escape leaves everything as it was, and only the right name opens the way.
    screen.click("Switch to prod")
    screen.see("is protected.")
    screen.assert_accessible()
    screen.run('await page.fill("#dbs-typed", "other")')
    assert screen.run('return await page.locator("dialog button[type=submit]").isDisabled()')
    screen.picture("confirm")
    screen.run(
        'await page.keyboard.press("Escape"); await page.locator("dialog").waitFor({ state: "detached" })'
    )

    for target, typed, server in (
        ("prod", "prod", postgres_prod),
        ("local", "", postgres_local),
        ("prod", postgres_prod.shop.database, postgres_prod),
    ):
        servers = {process.pid for process in app.next_servers()}
        seen = [
            screen.ask(target, typed=typed),
            *screen.watch(f"Switched to {target}, confirmed by the app ("),
        ]
        assert any(f"Switching to {target}" in text for text in seen)
        assert screen.name() == target
        assert f"localhost:{server.server.port}" in seen[-1]
        stays = {process.pid for process in app.next_servers()} == servers
        assert stays == (target == "prod")
        assert any(AWAY in text for text in seen) <= (target == "local")
        assert_answers_from(app, server)
        screen.run(
            "await page.locator('aside[aria-label=\"Database of this app\"]')"
            f'.getByText("{target}", {{ exact: true }}).waitFor()'
        )
    screen.assert_accessible()
    screen.picture("prod")
    screen.picture("prod-dark", "dark")
    app.assert_clean_log()


def test_local_prod_local_prod_with_a_restart_is_followed_through_the_gap(
    app: AppFolder, browser: Browser, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    admin = serve(app)
    screen = Screen(browser, admin)
    screen.unlock()
    for target, server in (("prod", postgres_prod), ("local", postgres_local), ("prod", postgres_prod)):
        servers = {process.pid for process in app.next_servers()}
        protected = target == "prod"
        assert f"Switching to {target}" in screen.ask(
            target, restart=protected, typed=server.shop.database if protected else ""
        )
        screen.watch(AWAY)
        screen.picture("gap")
        screen.watch(f"Switched to {target}, confirmed by the app (restart")
        assert screen.name() == target
        assert_answers_from(app, server)
        app.assert_one_server_tree()
        assert not servers & {process.pid for process in app.next_servers()}
    screen.run('await page.getByText("Steps", { exact: true }).click()')
    steps = screen.run('return await page.locator(".dbs-steps li").allInnerTexts()')
    shown = [line for step in steps for line in step.split("\n")]
    for label in ("Stop the server", "Change the env files", "Start the server", "Wait for its first answer"):
        assert label in shown
    screen.assert_accessible()
    screen.picture("steps")
    app.assert_clean_log()


def test_a_tab_that_is_closed_midway_changes_nothing_and_a_new_one_finds_the_switch(
    app: AppFolder, browser: Browser, postgres_prod: ShopServer
) -> None:
    admin = serve(app)
    screen = Screen(browser, admin)
    screen.unlock()
    screen.run('await page.locator(".dbs-option input").check()')
    screen.click("Switch to prod")
    screen.confirm(postgres_prod.shop.database)
    screen.see("Switching to prod")
    screen.run("await fresh(); await context.pages()[0].close()")

    def ended() -> dict[str, Any] | None:
        try:
            return next((one for one in admin.ask().body["history"] if one["to"] == "prod"), None)
        except (OSError, KeyError, TypeError, ValueError):  # the server is away
            return None

    past = wait_until(ended, LONG, lambda: app.log()[-3000:])
    screen.open()  # the key is the browser's, not the tab's
    wait_until(lambda: True if screen.name_now() == "prod" else None, LONG, screen.browser.text)
    assert (past["outcome"], past["verified"], past["mode"]) == ("switched", True, "restart")
    assert_answers_from(app, postgres_prod)


def test_a_target_that_is_down_is_told_with_what_to_do_and_nothing_has_changed(
    next_app: NextApp, browser: Browser, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    down = fresh_postgres()
    app = generate(next_app(local=postgres_local.url, prod=down.url), "client", "page")
    app.write("dbswitch.toml", "[database]\nrestart_deadline = 3\n")
    app.write("prisma/migrations/29990101000000_later/migration.sql", "SELECT 1;\n")
    screen = Screen(browser, serve(app))
    down.server.stop()
    before = app.read(".env.local")
    screen.unlock()
    screen.see("1 migration not applied here.")
    screen.click("Switch to prod")
    screen.confirm(down.shop.database)
    [*_, last] = screen.watch("Not switched to prod: nothing was changed.")
    assert "What to do:" in last
    assert "://" not in last
    assert screen.name() == "local"
    screen.assert_accessible()
    screen.picture("down")
    assert app.read(".env.local") == before
    assert_answers_from(app, postgres_local)


def test_cancel_ends_the_wait_for_a_database_that_is_down_at_once(
    next_app: NextApp, browser: Browser, postgres_local: ShopServer, fresh_postgres: FreshPostgres
) -> None:
    down = fresh_postgres()
    app = generate(next_app(local=postgres_local.url, prod=down.url), "client", "page")
    app.write("dbswitch.toml", f"[database]\nrestart_deadline = {LONG:.0f}\n")
    screen = Screen(browser, serve(app))
    down.server.stop()
    before = app.read(".env.local")
    screen.unlock()
    screen.click("Switch to prod")
    screen.confirm("prod")
    screen.see("connection refused")
    screen.picture("probing")
    screen.click("Cancel")
    began = time.monotonic()
    screen.see("The switch to prod was cancelled. Nothing was changed.")
    assert time.monotonic() - began < LONG / 3
    assert screen.name() == "local"
    assert app.read(".env.local") == before
    assert_answers_from(app, postgres_local)
