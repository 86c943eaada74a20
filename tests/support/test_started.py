"""Each costly program is counted by its kind, and no other one."""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from tests.support import started


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ((sys.executable, "-m", "dbswitch", "prod"), "CLI processes"),
        (("sh", "-c", 'exec "$@"', "sh", sys.executable, "-m", "tests.cli.fake_switch"), "CLI processes"),
        (("/venv/bin/dbswitch", "status"), "CLI processes"),
        (("strace", "-p", "1"), "attaches of strace"),
        (("git", "add", "dbswitch"), None),
        ("sleep 1", None),
    ],
)
def test_a_program_is_counted_by_its_kind(command, kind, monkeypatch):
    monkeypatch.setattr(started, "started", counted := Counter())
    started.count_program("subprocess.Popen", (command[0], command, None, None))
    assert counted == Counter({kind: 1} if kind else {})
