"""What holds for every test: a clean environment, nothing of the real stack skipped in CI, no process left behind."""

from __future__ import annotations

import os
import secrets
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import MARKER, describe, end, with_variable

if TYPE_CHECKING:
    from collections.abc import Generator

pytest_plugins = ("tests.support.figures", "tests.support.postgres", "tests.support.nextapp")

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
GRACE = 2.0  # seconds that a process may take to end after the last test
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
)


def pytest_configure(config: pytest.Config) -> None:
    for name in list(os.environ):
        if name in _NOT_FOR_TESTS or name.startswith(("PG", "npm_", "__NEXT", "DBSWITCH_SERVER")):
            del os.environ[name]
    if not hasattr(config, "workerinput"):
        # Everything started from here on carries it; xdist's workers inherit it from the first process.
        os.environ[MARKER] = secrets.token_hex(8)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("real"):
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
