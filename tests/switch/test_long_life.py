"""What accumulates while one server lives for weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbswitch.server import log

if TYPE_CHECKING:
    from tests.cli.conftest import Folder


def test_a_switch_that_keeps_the_server_cuts_a_large_log(served: Folder) -> None:
    assert served.run("dev", "--detach").returncode == 0
    path = served.root / ".dbswitch" / "server.log"
    with path.open("ab") as stream:
        stream.truncate(log.MAX_BYTES + 1)

    assert served.run("local").returncode == 0

    assert path.stat().st_size < log.MAX_BYTES
    assert path.with_name("server.log.1").stat().st_size > log.MAX_BYTES
    assert len(served.living()) == 2
