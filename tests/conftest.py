"""What holds for every test: a clean environment, a deadline, no skip of the real stack in CI, no process left behind."""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_timeout import Settings

from dbswitch import redaction
from tests.support import forkserver, memory, packages
from tests.support.dealing import deal
from tests.support.processes import MARKER, describe, end, with_variable

if TYPE_CHECKING:
    from collections.abc import Generator

pytest_plugins = (
    "tests.support.figures",
    "tests.support.postgres",
    "tests.support.pgbouncer",
    "tests.support.nextapp",
)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
GRACE = 2.0  # seconds that a process may take to end after the last test
# Seconds that a test with its fixtures may take; other tests have `timeout` in pyproject.toml. Session fixtures count
# for the first test that needs them, and on a new machine that includes `npm ci`.
REAL_STACK_DEADLINE = 600
SWEEP_DEADLINE = 1100
TEARDOWN_DEADLINE = 120
BROWSER = "shared_browser"
NEXT_FIXTURES = frozenset(
    {"next_app", "demo", "_app", "_generated_app", "booted", "built_once", "dev_once", "_route", BROWSER}
)
# A worker starts each of these once. What uses the browser goes with the app that its other tests use.
SHARED = {"_app": "_app", "_generated_app": BROWSER, BROWSER: BROWSER}
STATE_HOME = "XDG_STATE_HOME"
_state_folders = pytest.StashKey[Path]()
_memory = pytest.StashKey[Path | None]()
# What a developer's shell may hold and the code under test would read.
_NOT_FOR_TESTS = (
    "DATABASE_URL",
    "DIRECT_URL",
    "SHADOW_DATABASE_URL",
    "PORT",
    "NODE_ENV",
    "NODE_OPTIONS",
    "NO_COLOR",
    "FORCE_COLOR",
    "PYTHONUNBUFFERED",
)


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name in _NOT_FOR_TESTS or name.startswith(("PG", "npm_", "__NEXT", "DBSWITCH_SERVER")):
            del os.environ[name]
    if not hasattr(config, "workerinput"):
        # Everything started from here on carries it; xdist's workers inherit it from the first process.
        os.environ[MARKER] = secrets.token_hex(8)
        config.stash[_memory] = memory.use()
    _restore_signals()
    # One for the whole worker: a server that a wide fixture starts must be known to every test that uses it.
    config.stash[_state_folders] = Path(tempfile.mkdtemp(prefix="dbswitch-tests-state-"))
    os.environ[STATE_HOME] = str(config.stash[_state_folders])


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[_state_folders], ignore_errors=True)
    if folder := config.stash.get(_memory, None):
        memory.free(folder)


def _restore_signals() -> None:
    """Start programs with default signal dispositions, whoever started pytest.

    A shell starts a background job with SIGINT ignored, nohup ignores SIGHUP, and programs inherit both. With a handler
    pytest itself goes on ignoring the signal, and `exec` resets it for the program.
    """
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, the kernel discards exit codes


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="only root can test it (make test-root)"))
        if not item.get_closest_marker("timeout") and (deadline := _deadline(item)):
            item.add_marker(pytest.mark.timeout(deadline))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1 and not config.getoption("random_order_enabled"):
        items[:] = deal(items, workers, slow=_starts_next, together=_shares)


def pytest_collection_finish() -> None:
    """Exempt what was collected from garbage collection: a tenth of the processor time of quick tests went to it."""
    gc.collect()
    gc.freeze()


def _shares(item: pytest.Item) -> object:
    """Return what the test uses of its worker, or its module."""
    names = getattr(item, "fixturenames", ())
    return next((kept for name, kept in SHARED.items() if name in names), item.path)


def _starts_next(item: pytest.Item) -> bool:
    return not NEXT_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def _deadline(item: pytest.Item) -> float | None:
    if item.get_closest_marker("sweep"):
        return SWEEP_DEADLINE
    return REAL_STACK_DEADLINE if item.get_closest_marker("real") else None


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Give the teardown a deadline: pytest-timeout stops its timer when a test fails."""
    if isinstance(node, pytest.Item):
        settings = Settings(TEARDOWN_DEADLINE, "signal", func_only=False, disable_debugger_detection=False)
        node.ihook.pytest_timeout_set_timer(item=node, settings=settings)


@pytest.fixture(autouse=True)
def _nothing_to_redact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the values of the tests before this one: a process of dbswitch knows those of one project."""
    monkeypatch.setattr(redaction, "_known", set())


def _must_run(item: pytest.Item) -> bool:
    return bool(item.get_closest_marker("real")) and not item.get_closest_marker("root")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and _must_run(item) and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"a test of the real stack was skipped in CI: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        # A module that skips itself hides its marks, so any of them counts as one of the real stack.
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped itself in CI: {report.longrepr}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a test left a process behind; end what it left."""
    forkserver.close()
    packages.remove_all()
    if hasattr(session.config, "workerinput"):
        return  # another worker may still be at work; the first process looks when all are done
    until = time.monotonic() + GRACE
    while (left := with_variable(MARKER, os.environ[MARKER])) and time.monotonic() < until:
        time.sleep(0.05)
    if not left:
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    for process in left:
        if reporter:
            reporter.write_line(f"\nLEFT BEHIND: {describe(process)}", red=True)
    end(left)
    session.exitstatus = pytest.ExitCode.TESTS_FAILED
