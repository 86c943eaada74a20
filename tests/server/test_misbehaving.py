"""Servers that misbehave: after `stop` each is gone, proven by pid and start time, or it is named."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from dbswitch.errors import PortTakenError, ServerError
from dbswitch.server import stopping
from dbswitch.server.observation import observe
from dbswitch.server.ownership import Proof
from dbswitch.server.ports import is_free
from dbswitch.server.processes import ProcessId, identify, is_alive, look_at, send
from dbswitch.server.server_record import remove_record
from dbswitch.server.spec import NEXT_ALIVE_PATH, ServerLimits, ServerSpec
from dbswitch.server.starting import wait_ready
from dbswitch.server.state import ServerState
from dbswitch.server.stopping import require_ports_free, stop
from tests.server.conftest import IMPATIENT, PATIENT, PROGRAMS, TOKEN, assert_dead, wait_for
from tests.support.processes import end, with_variable
from tests.support.state import private_dir

if TYPE_CHECKING:
    from collections.abc import Iterable


@pytest.mark.parametrize(
    ("behaviour", "processes", "needs_kill"),
    [
        ("well", 1, False),
        ("ignores_term", 1, True),
        ("grandchild_leaves", 2, False),
        ("daemonizes", 1, False),
        ("port_in_child", 2, False),
        ("respawns", 2, True),
    ],
)
def test_every_process_of_a_server_is_gone_after_stop(make_folder, behaviour, processes, needs_kill):
    folder = make_folder(behaviour, limits=IMPATIENT if needs_kill else PATIENT)
    folder.start_ready()
    wait_for(lambda: len(folder.living()) == processes)
    living = folder.living()

    assert folder.observe().state is ServerState.READY
    report = folder.stop()

    assert_dead(living)
    assert folder.living() == []
    assert bool(report.killed) == needs_kill
    assert set(report.ports[folder.spec.port]) <= {one.process.pid for one in report.stopped}
    assert is_free(folder.spec.port)
    assert not folder.spec.record_path.exists()


@pytest.mark.parametrize("behaviour", ["grandchild_leaves", "daemonizes", "port_in_child"])
def test_a_server_whose_record_was_lost_is_found_by_its_marker(make_folder, behaviour):
    folder = make_folder(behaviour)
    folder.start_ready()
    living = folder.living()
    remove_record(folder.spec.record_path)

    folder.stop()

    assert_dead(living)
    assert folder.living() == []


def test_a_server_that_takes_its_time_gets_each_signal_once(make_folder, monkeypatch):
    folder = make_folder("ignores_term", limits=IMPATIENT)
    folder.start_ready()
    sent = []

    def counted(process, number):
        sent.append((process, number))
        send(process, number)

    monkeypatch.setattr(stopping, "send", counted)
    folder.stop()
    assert {number for _, number in sent} == {signal.SIGTERM, signal.SIGKILL}
    assert len(sent) == len(set(sent))


def test_a_suspended_server_is_continued_so_that_it_can_obey_term(make_folder):
    folder = make_folder("stops_itself", limits=replace(PATIENT, ask=0.5))
    running = folder.start()
    wait_for(lambda: folder.observe().processes and folder.observe().processes[0].process.suspended)

    report = folder.stop()

    assert_dead([running.process])
    assert report.killed == ()


def test_a_server_that_dies_while_starting_gives_its_last_lines_at_once_and_masked(make_folder):
    folder = make_folder("dies")
    began = time.monotonic()
    with pytest.raises(ServerError) as caught:
        folder.start_ready()

    assert time.monotonic() - began < folder.spec.limits.ready / 2
    assert "died while it was starting" in caught.value.what
    assert "exit status 3" in caught.value.facts
    assert "log: first line of trouble" in caught.value.facts
    assert "secret" not in "".join(caught.value.facts)
    assert folder.observe().state is ServerState.EXITED


def test_a_server_that_dies_during_the_first_request_is_not_waited_for(make_folder):
    folder = make_folder("dies_later")
    began = time.monotonic()
    with pytest.raises(ServerError, match="died while it was starting"):
        folder.start_ready()

    assert time.monotonic() - began < folder.spec.limits.ready / 2


def test_a_server_that_listens_and_hangs_is_not_ready_and_is_stopped(make_folder):
    folder = make_folder("hangs", limits=ServerLimits(ready=1, request=0.5, ask=0.3))
    running = folder.start()
    wait_for(lambda: not is_free(folder.spec.port))
    with pytest.raises(ServerError, match=r"did not answer within 1 s") as caught:
        wait_ready(folder.spec, running)

    assert "connected, no answer" in caught.value.facts[0]
    assert folder.observe().state is ServerState.HALF_DEAD
    folder.stop()
    assert_dead([running.process])


@pytest.mark.parametrize("behaviour", ["not_found", "fails"])
def test_a_next_server_that_answers_404_or_500_to_everything_is_half_dead(make_folder, behaviour):
    folder = make_folder(behaviour, alive_path=NEXT_ALIVE_PATH, limits=ServerLimits(ready=1))
    running = folder.start()
    wait_for(lambda: not is_free(folder.spec.port))
    with pytest.raises(ServerError, match="did not answer"):
        wait_ready(folder.spec, running)

    assert folder.observe().state is ServerState.HALF_DEAD
    folder.stop()
    assert_dead([running.process])


def test_without_next_a_404_counts_as_an_answer(make_folder):
    folder = make_folder("not_found")
    folder.start_ready()
    assert folder.observe().state is ServerState.READY
    folder.stop()


def test_what_hid_from_every_proof_is_not_touched_but_named_when_it_keeps_the_port(make_folder):
    folder = make_folder("hides")
    folder.start()
    wait_for(lambda: not is_free(folder.spec.port))
    [hidden] = {listener.process.id for listener in folder.observe().foreign}
    try:
        folder.stop()
        with pytest.raises(PortTakenError) as caught:
            require_ports_free(folder.spec, folder.spec.port)
        assert is_alive(hidden)
        assert f"pid {hidden.pid}" in caught.value.facts[0]
        assert str(folder.root) in caught.value.facts[0]
    finally:
        os.kill(hidden.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(hidden))


def test_an_editor_that_the_server_opened_survives(make_folder):
    folder = make_folder("opens_editor")
    running = folder.start_ready()
    wait_for(lambda: len(folder.living()) == 2)
    [editor] = [process for process in folder.living() if process != running.process]

    folder.stop()

    assert_dead([running.process])
    assert is_alive(editor)


def names(processes: Iterable[ProcessId]) -> list[str]:
    found = (look_at(one.pid) for one in processes)
    return sorted(one.argv[0].rpartition("/")[2] for one in found if one is not None)


def test_a_program_or_database_that_the_dev_script_launched_survives_and_is_named(make_folder):
    folder = make_folder("launches")
    running = folder.start_ready()
    wait_for(lambda: {"postgres", "sleep"} <= set(names(folder.living())))  # both have become what they are

    report = folder.stop()

    assert_dead([running.process])
    assert names(folder.living()) == ["postgres", "sleep"]
    assert sorted(report.left_alone) == sorted(
        f"left alone: {name}, pid {one.pid}, started by the dev script"
        for one in folder.living()
        for name in names([one])
    )
    assert folder.stop().left_alone == ()  # nothing was stopped, so there is nothing to explain


def test_what_a_person_runs_in_the_terminal_of_an_editor_that_the_server_opened_survives(make_folder):
    folder = make_folder("opens_terminal")
    running = folder.start_ready()
    wait_for(lambda: names(folder.living()).count("node") == 2)
    others = [process for process in folder.living() if process != running.process]

    report = folder.stop()

    assert_dead([running.process])
    assert all(is_alive(process) for process in others)
    [text] = report.left_alone
    assert text.startswith("left alone: vim, pid")


def test_stopping_one_package_of_a_workspace_leaves_its_sibling_and_the_package_manager(make_folder):
    web, api = make_folder(), make_folder("well", name="api")
    runner = web.root.parent / "pnpm.cjs"
    shutil.copyfile(PROGRAMS / "misbehaving.py", runner)
    started = [
        (web, shlex.join([*web.spec.argv, "-p", str(web.spec.port)])),
        (api, f"PORT={api.spec.port} {shlex.join(api.spec.argv)}"),
    ]
    pnpm = subprocess.Popen(
        ["/nowhere/bin/node", runner, "runs_packages", *(str(x) for f, c in started for x in (f.root, c))],
        executable=os.path.realpath(sys.executable),
        env={**os.environ, TOKEN: web.token},
        start_new_session=True,
    )
    try:
        wait_for(lambda: web.observe().state is ServerState.READY and not is_free(api.spec.port))

        report = web.stop()

        assert [one.proof for one in report.stopped] == [Proof.FOLDER, Proof.LOCK]
        assert is_free(web.spec.port)
        wait_for(lambda: len(web.living()) == 3)  # pnpm, the other package's shell and that package
        assert pnpm.poll() is None
        assert not is_free(api.spec.port)
    finally:
        end(with_variable(TOKEN, web.token))
        pnpm.wait()


def test_stopping_from_below_the_server_spares_the_one_who_stops(make_folder):
    """As when a route handler starts dbswitch: it is a descendant of the server and carries its marker."""
    folder = make_folder()
    code = "import sys; from tests.server.test_misbehaving import stop_from_below; stop_from_below(*sys.argv[1:])"
    spec = folder.spec
    program = (str(PROGRAMS / "misbehaving.py"), "calls_back", sys.executable, "-c", code)
    report = folder.root / "report"
    argv = (sys.executable, *program, str(folder.root), str(spec.port), str(report))
    folder.spec = ServerSpec(
        argv=argv,
        cwd=folder.root,
        port=spec.port,
        port_explicit=True,
        ports=(spec.port,),
        dist_dir=spec.dist_dir,
        state_dir=spec.state_dir,
        private_dir=spec.private_dir,
        port_flag=False,
        alive_path=None,
    )
    running = folder.start_ready(PYTHONPATH=str(PROGRAMS.parents[1]))

    wait_for(report.exists)
    assert_dead([running.process])
    assert report.read_text() == "1 process stopped"
    wait_for(lambda: folder.living() == [])


def stop_from_below(root: str, port: str, report: str) -> None:
    from pathlib import Path

    spec = ServerSpec(
        argv=(), cwd=Path(root), port=int(port), port_explicit=True, ports=(), dist_dir=Path(root) / ".next",
        state_dir=Path(root) / ".dbswitch", private_dir=private_dir(Path(root)), alive_path=None,
    )  # fmt: skip
    wait_for(lambda: spec.record_path.exists() and not is_free(spec.port))
    mine = identify(os.getpid())
    assert mine is not None
    stopped = stop(spec, observe(spec)).stopped
    assert is_alive(mine)
    unfinished = Path(report + ".new")
    unfinished.write_text(f"{len(stopped)} process stopped")
    unfinished.rename(report)


def test_a_supervisor_that_starts_the_server_again_is_named(make_folder):
    """What a person's supervisor revives cannot be won by killing; it is no part of Next's chain either."""
    folder = make_folder()
    script = "import subprocess, sys\nwhile True:\n subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL)\n"
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, *folder.spec.argv, "-p", str(folder.spec.port)],
        cwd=folder.root,
        env=folder.environment().env,
        start_new_session=True,
    )
    try:
        wait_for(lambda: folder.observe().state is ServerState.READY)
        assert not folder.observe().by_us

        def restart() -> None:
            folder.stop()  # on a slow machine it sees the new one already
            wait_for(lambda: folder.observe().state is ServerState.READY)
            folder.start()

        with pytest.raises(ServerError, match="something else started the dev server again") as caught:
            restart()
        assert any(f"pid {supervisor.pid}" in fact for fact in caught.value.facts)
        assert supervisor.poll() is None
    finally:
        supervisor.kill()
        supervisor.wait()
        end(with_variable("DBSWITCH_TEST_PROJECT", folder.token))
