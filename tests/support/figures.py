"""Figures that people want to see, printed after the last test, also under xdist.

A test calls `figure("...")`; what it said travels with its report. Besides, what was started is counted, and the seconds
of each folder's tests are added up.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.started import count_program, started

if TYPE_CHECKING:
    from collections.abc import Callable

_NAME = "figure"
_workers: Counter[str] = Counter()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a line for the summary."""
    return lambda text: request.node.user_properties.append((_NAME, text))


def pytest_configure() -> None:
    sys.addaudithook(count_program)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_NAME] = dict(started)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _workers.update(getattr(node, "workeroutput", {}).get(_NAME, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport)
    ]
    lines = sorted(
        text
        for report in reports
        if report.when == "call"
        for name, text in report.user_properties
        if name == _NAME
    )
    seconds: Counter[str] = Counter()
    for report in reports:
        seconds["/".join(report.nodeid.partition("::")[0].split("/")[:2])] += report.duration
    if seconds:
        folders = ", ".join(f"{folder} {taken:.0f}" for folder, taken in seconds.most_common())
        lines.append(f"seconds of the tests: {sum(seconds.values()):.0f} = {folders}")
    if total := started + _workers:
        lines.append("started: " + ", ".join(f"{number} {kind}" for kind, number in sorted(total.items())))
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
