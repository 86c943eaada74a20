"""Every state of the admin page in a real browser, with the route's answers made up: what it says, and how it can be used."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.admin_screen import NEXT_RUN, RUN, Screen, bundle, phase, plan, run, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.browser import Browser

pytestmark = [pytest.mark.slow]

WIDTHS = (390, 768, 1280)
DOWN = {
    "what": "the database was not ready in time: connection refused: nothing listens there",
    "facts": ["database shop", "message: Connection refused", "5 attempts in 2.8 s"],
    "why": "an app pointed at it now would fail",
    "fix": "start the database server, then `dbswitch staging`",
}
PAST = [
    {
        "id": str(n),
        "at": 1_767_268_800 - n,
        "from": "local",
        "to": to,
        "outcome": outcome,
        "seconds": 12.3,
        "mode": "restart",
        "verified": outcome == "switched",
    }
    for n, (to, outcome) in enumerate((("prod", "switched"), ("staging", "rollback_failed")))
]


@pytest.fixture(scope="module")
def _screen(tmp_path_factory: pytest.TempPathFactory, shared_browser: Browser) -> Screen:
    folder = tmp_path_factory.mktemp("page")
    bundle(folder)
    return Screen(shared_browser, folder)


@pytest.fixture
def screen(_screen: Screen) -> Screen:
    """The page in a browser that all tests of this file share; each opens it anew."""
    _screen.run(
        'await page.setViewportSize({ width: 960, height: 860 }); await page.emulateMedia({ colorScheme: "light" })'
    )
    return _screen


def probing(previous: str = "local", mode: str = "restart") -> dict[str, Any]:
    waiting = {"event": "waiting", "phase": "probe", "attempt": 3, "reason": "connection refused"}
    return run(*plan(mode, previous), phase("probe", "started", 0), waiting)


def result(target: str, **changes: Any) -> dict[str, Any]:
    return {
        "event": "result",
        "outcome": "switched",
        "target": target,
        "verified": True,
        "mode": "hot",
        "seconds": 0.4,
        "error": None,
    } | changes


def follow(screen: Screen, target: str, *, on: str = "local", events: dict[str, Any] | None = None) -> None:
    """Start a switch from the page and see the run `events`."""
    screen.open(
        view=view(on, history=PAST),
        runs={RUN: events or probing(on)},
        post=[202, {"id": RUN, "target": target}],
    )
    screen.click(f"Switch to {target}")
    if target == "prod":
        screen.run('await page.fill("#dbs-typed", "prod"); await page.keyboard.press("Enter")')
    screen.see(f"Switching to {target}")


def finish(screen: Screen, on: str, events: dict[str, Any], **changes: Any) -> None:
    screen.answer(view=view(on, history=PAST, **changes), runs={RUN: events})


def switched_to_prod(screen: Screen) -> None:
    follow(screen, "prod")
    finish(screen, "prod", run(*plan("hot"), phase("probe"), phase("verify"), result("prod")))
    screen.see("Switched to prod, confirmed by the app (hot, 0.4 s).")
    screen.run('await page.getByText("Steps", { exact: true }).click()')


def not_switched(screen: Screen) -> None:
    follow(screen, "staging", on="prod")
    failed = result("staging", outcome="failed", verified=None, error=DOWN)
    finish(screen, "prod", run(*plan(), phase("probe", "failed", 2.8, "connection refused"), failed))
    screen.see("Not switched to staging: nothing was changed.")


def test_a_link_with_the_key_opens_the_page_and_leaves_the_key_out_of_the_address(screen: Screen) -> None:
    screen.open("/admin#token=key", key="", view=view())
    screen.see("The app is on")
    assert screen.run("return await page.evaluate(() => location.hash)") == ""


def not_confirmed(screen: Screen) -> None:
    follow(screen, "prod")
    finish(screen, "prod", run(*plan("hot"), result("prod", verified=False)))
    screen.see("Switched to prod, not confirmed.")


def in_the_gap(screen: Screen) -> None:
    follow(screen, "staging")
    screen.see("connection refused")
    screen.answer(down=True)
    screen.see("The server is not answering")


def cancelling(screen: Screen) -> None:
    follow(screen, "staging")
    # The first run stays: the page may ask for it once more before the click.
    runs = {RUN: probing(), NEXT_RUN: run({"event": "start"}, run_id=NEXT_RUN)}
    screen.answer(post=[202, {"id": NEXT_RUN}], runs=runs)
    screen.click("Cancel")
    screen.see("Cancelling the switch to staging")


def lost(screen: Screen) -> None:
    follow(screen, "staging")
    finish(screen, "local", run(*plan(), phase("stop", "started", 0), lost=True))
    screen.see("The switch to staging ended without a result.")


def confirming(screen: Screen) -> None:
    screen.open(view=view())
    screen.click("Switch to prod")
    screen.run('await page.fill("#dbs-typed", "wrong")')
    screen.see("That is not its name.")


def wrong_key(screen: Screen) -> None:
    screen.open(key="", view=view())
    screen.see("needs the project")
    screen.run('await page.keyboard.type("wrong"); await page.keyboard.press("Enter")')
    screen.see("That is not the key")


def opened(text: str, **mock: Any) -> Callable[[Screen], None]:
    def state(screen: Screen) -> None:
        screen.open(**mock)
        screen.see(text)

    return state


UNKNOWN = {"kind": "mixed", "target": None}
STATES: dict[str, Callable[[Screen], None]] = {
    "no key": opened("needs the project", key=""),
    "wrong key": wrong_key,
    "not known yet": opened("Asking the app", hang=True),
    "no server": opened("The server does not answer.", down=True),
    "on local": opened("The app is on", view=view(history=PAST)),
    "on prod": opened("protected: real data", view=view("prod", history=PAST)),
    "mixed": opened("Mixed", view=view(None, active=UNKNOWN)),
    "database unreachable": opened("cannot reach", view=view("prod", identity=None, unreachable="P1001")),
    "no target": opened("No target is defined yet.", view=view(None, targets=[])),
    "no command": opened(
        "was not found", view=view(None, targets=[], problem={"what": "It was not found.", "fix": "x"})
    ),
    "migrations": opened(
        "1 migration failed", view=view(migrations={"pending": ["1_later"], "failed": ["0_broken"]})
    ),
    "run in a terminal": opened("is running", view=view(running={"target": "prod", "since": 1})),
    "confirming": confirming,
    "probing": lambda screen: follow(screen, "staging"),
    "in the gap": in_the_gap,
    "cancelling": cancelling,
    "switched": switched_to_prod,
    "not confirmed": not_confirmed,
    "failed": not_switched,
    "lost": lost,
}


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_accessible_and_fits_every_width_with_targets_that_a_finger_can_hit(
    screen: Screen, state: str
) -> None:
    STATES[state](screen)
    for width in WIDTHS:
        wide, small = screen.run(
            f"await page.setViewportSize({{ width: {width}, height: 820 }});"
            """
            return await page.evaluate(() => {
              const controls = document.querySelectorAll("button, summary, label:has(input), input:not([type=checkbox])");
              const small = [...controls].filter((one) => one.checkVisibility()).filter((one) => {
                const { width, height } = one.getBoundingClientRect();
                return width < 44 || height < 44;
              });
              return [document.documentElement.scrollWidth - innerWidth, small.map((one) => one.outerHTML)];
            });
            """
        )
        assert wide <= 0
        assert small == []
    for scheme in ("light", "dark"):
        screen.run(f'await page.emulateMedia({{ colorScheme: "{scheme}" }})')
        assert screen.run("return await axe()") == []


def test_a_verified_switch_to_a_protected_database_is_told_in_its_card_and_nothing_there_is_green(
    screen: Screen,
) -> None:
    switched_to_prod(screen)
    card = screen.run('return await page.innerText(".dbs-is-protected")')
    for text in ("prod", "db.example.com:5432", "confirmed by the app"):
        assert text in card
    assert screen.run('return await page.locator(".dbs-is-open, .dbs-notice").count()') == 0


def test_a_failure_is_told_once_and_only_the_protected_database_is_in_red(screen: Screen) -> None:
    not_switched(screen)
    text = screen.browser.text()
    assert text.lower().count("connection refused") == 1
    assert "Start the database server, then dbswitch staging" in text
    assert screen.run('return await page.locator(".dbs-is-protected").count()') == 1
    card = 'getComputedStyle(document.querySelector(".dbs-notice")).backgroundColor'
    assert screen.run(f"return await page.evaluate(() => {card})") == "rgb(255, 255, 255)"


def test_the_server_that_is_down_is_shown_as_the_restart_and_not_as_the_last_step_seen(
    screen: Screen,
) -> None:
    in_the_gap(screen)
    [current] = screen.run('return await page.locator("[aria-current=step]").allInnerTexts()')
    assert current.startswith("Restart the server on the new database")
    assert screen.run('return await page.getByRole("button", { name: "Cancel" }).count()') == 0


def test_a_reload_in_the_gap_shows_the_same_steps_and_targets(screen: Screen) -> None:
    in_the_gap(screen)
    screen.run("await page.reload()")
    screen.see("The server is not answering")
    text = screen.browser.text()
    assert "Look at the env files and the server" in text
    assert "db.example.com:5432/shop" in text


def test_a_reload_after_the_run_does_not_say_that_it_starts(screen: Screen) -> None:
    in_the_gap(screen)
    screen.answer(down=False)
    finish(screen, "staging", run(*plan(), phase("verify"), result("staging", mode="restart")))
    screen.browser.forget_shown()
    screen.run("await page.reload()")
    shown = screen.browser.wait_until_shown("confirmed by the app (restart")
    assert not any("Starting dbswitch" in text for text in shown)


def test_what_was_kept_over_a_reload_is_not_shown_as_what_is(screen: Screen) -> None:
    follow(screen, "prod")
    finish(screen, "prod", run(*plan("hot"), result("prod")))
    screen.see("confirmed by the app")
    screen.answer(hang=True)
    screen.run("await page.reload()")
    screen.see("Asking the app which database it is on")
    assert "db.example.com:5432/shop" in screen.browser.text()
    assert (
        screen.run('return await page.locator(".dbs-is-protected, .dbs-targets button:enabled").count()') == 0
    )
    screen.answer(hang=False)


def test_cancel_asks_for_the_database_that_the_app_is_still_on_and_says_that_nothing_was_changed(
    screen: Screen,
) -> None:
    cancelling(screen)
    assert screen.run("return mock.asked.at(-1)") == {"target": "local", "instead": RUN}
    unchanged = result("local", outcome="unchanged", mode="none")
    screen.answer(runs={NEXT_RUN: run(*plan("none"), unchanged, run_id=NEXT_RUN)})
    screen.see("The switch to staging was cancelled. Nothing was changed.")


def test_a_screen_reader_is_told_each_step_and_the_end_by_one_region_that_stays(screen: Screen) -> None:
    screen.open(view=view(), runs={RUN: probing()}, post=[202, {"id": RUN}])
    screen.see("The app is on")
    screen.run('globalThis.region = await page.locator("main > [role=status]").elementHandle()')
    said = "return await region.evaluate((one) => [one.isConnected, one.innerText.trim()])"
    assert screen.run(said) == [True, ""]
    screen.click("Switch to staging")
    for text, change in (
        ("Switching to staging: Ask the new database.", {}),
        ("Switching to staging: Restart the server on the new database.", {"down": True}),
    ):
        screen.answer(**change)
        screen.run(
            f'await page.locator("main > [role=status]", {{ hasText: "{text}" }}).waitFor({{ state: "attached" }})'
        )
        assert screen.run(said) == [True, text]
    screen.answer(down=False)
    finish(screen, "staging", run(*plan(), result("staging", mode="restart", seconds=3.1)))
    screen.see("Switched to staging, confirmed by the app (restart, 3.1 s).")
    assert screen.run(said) == [True, "Switched to staging, confirmed by the app (restart, 3.1 s)."]


def wait_for_focus(screen: Screen, name: str) -> None:
    """Wait until the element of this text or id has the focus."""
    screen.run(
        "await page.waitForFunction((name) => [document.activeElement.innerText, document.activeElement.id]"
        f".includes(name), {json.dumps(name)})"
    )


def press(screen: Screen, *keys: str) -> None:
    for key in keys:
        screen.run(f'await page.keyboard.press("{key}")')


def test_with_the_keyboard_alone_a_protected_target_is_confirmed_and_the_focus_is_never_lost(
    screen: Screen,
) -> None:
    screen.open(view=view(), runs={RUN: probing()}, post=[202, {"id": RUN}])
    screen.see("The app is on")
    press(screen, "Tab")
    wait_for_focus(screen, "Switch to staging")
    press(screen, "Tab")
    wait_for_focus(screen, "Switch to prod")
    press(screen, "Enter")
    wait_for_focus(screen, "dbs-typed")
    press(screen, "Escape")
    wait_for_focus(screen, "Switch to prod")
    press(screen, "Enter")
    wait_for_focus(screen, "dbs-typed")
    press(screen, *"pro", "Enter")
    assert screen.run("return mock.asked") == []
    press(screen, "d", "Enter")
    wait_for_focus(screen, "Switching to prod")
    assert screen.run("return mock.asked") == [{"target": "prod", "confirm": "prod"}]
    finish(screen, "prod", run(*plan("hot"), result("prod")))
    wait_for_focus(screen, "The app is on")


@pytest.mark.parametrize(
    "leave", ['page.keyboard.press("Escape")', 'page.click("dialog button[type=button]")']
)
def test_a_question_that_was_left_can_be_asked_again_at_once(screen: Screen, leave: str) -> None:
    screen.open(view=view())
    screen.see("The app is on")
    screen.run(
        """
        const button = page.locator(".dbs-targets button", { hasText: "Switch to prod" });
        await button.click();
        await page.locator("#dbs-typed").waitFor();
        await button.evaluate((one) => {
          const soon = () => queueMicrotask(() => queueMicrotask(() => one.click())); // the first moment that the page has drawn
          one.addEventListener("focus", soon, { once: true });
        });
        """
        f"await {leave};"
    )
    wait_for_focus(screen, "dbs-typed")
    assert screen.run('return await page.locator("dialog").count()') == 1


@pytest.mark.parametrize(
    ("typed", "said", "disabled"),
    [
        ("", "The name of its database works too.", True),
        ("pro", "Not complete yet.", True),
        ("local", "That is not its name.", True),
        ("prod", "The name matches.", False),
        ("shop", "The name matches.", False),
    ],
)
def test_the_question_says_whether_what_was_typed_matches(
    screen: Screen, typed: str, said: str, disabled: bool
) -> None:
    screen.open(view=view())
    screen.click("Switch to prod")
    screen.run(f'await page.fill("#dbs-typed", "{typed}")')
    assert said in screen.run('return await page.innerText("#dbs-match")')
    assert screen.run('return await page.locator("dialog button[type=submit]").isDisabled()') == disabled


def test_the_key_is_typed_without_a_click_and_kept(screen: Screen) -> None:
    wrong_key(screen)
    screen.run(
        'await page.keyboard.press("Control+A"); await page.keyboard.type("key"); await page.keyboard.press("Enter")'
    )
    screen.see("The app is on")


def test_an_app_on_another_database_than_its_env_files_can_be_switched_once_more(screen: Screen) -> None:
    not_confirmed(screen)
    assert screen.run('return await page.getByRole("button", { name: "Switch to prod again" }).isEnabled()')


def test_leaving_a_protected_database_says_that_the_server_restarts(screen: Screen) -> None:
    screen.open(view=view("prod"))
    screen.see("Leaving prod restarts the server")
    assert screen.run('return await page.locator("input[type=checkbox]").count()') == 0


def test_the_page_and_the_banner_say_read_only(screen: Screen) -> None:
    identity = view("prod")["identity"] | {"readOnly": "true"}
    screen.open(view=view("prod", identity=identity))
    screen.see("read-only")
    screen.open(view=view("prod"))
    screen.see("protected: real data")
    assert screen.run('return await page.getByText("read-only", { exact: true }).count()') == 0
    screen.open("/banner", banner=BANNER | {"readOnly": True})
    screen.see("read-only")


BANNER = {"target": "prod", "protected": True, "database": "shop", "readOnly": False}


def limited(seconds: float) -> dict[str, Any]:
    return {"back": "local", "ends": time.time() + seconds}


def test_the_page_and_the_banner_count_down_and_say_what_goes_back(screen: Screen) -> None:
    active = {"kind": "one", "target": "prod"}
    for path, mock in (
        ("/admin", lambda limit: {"view": view("prod", active=active | {"limit": limit})}),
        ("/banner", lambda limit: {"banner": BANNER | {"limit": limit}}),
    ):
        screen.open(path, **mock(limited(1_820)))
        screen.see("30 min left, then back to local")
        screen.open(path, **mock(limited(99)))
        shown = "return (await page.getByRole('timer').textContent())"
        first = int(screen.run(shown).split()[0])
        assert first <= 99
        screen.run(
            f"await page.waitForFunction(() => parseInt(document.querySelector('[role=timer]').textContent) < {first})"
        )
        screen.open(path, **mock(limited(2)))
        screen.see("ime limit has passed")
        screen.see("dbswitch local")


def test_the_banner_reaches_the_edges_of_the_window_whatever_margin_the_body_has(screen: Screen) -> None:
    screen.open("/banner", banner={"target": "prod", "protected": True, "database": "shop"})
    screen.see("Switch")
    for css in ("", "margin: 0", "margin: 20px; padding: 7px 11px"):
        screen.run(
            f'await page.evaluate(() => {{ document.body.style = "{css}" }});'
            "await page.waitForFunction(() => { const { left, top, right, height } ="
            ' document.querySelector("aside").getBoundingClientRect();'
            " return left === 0 && top === 0 && right === innerWidth && height === 44; })"
        )
