"""The whole cycle with the stand-in for Next.js: state, port, lock, environment, log, and nothing that leaks."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from msgspec.structs import replace

from dbswitch.demo.postgres import free_port
from dbswitch.errors import PortTakenError, ServerError
from dbswitch.server import observation, processes
from dbswitch.server.environment import MARKER, clean
from dbswitch.server.http_requests import PageRequest
from dbswitch.server.nextjs import lock_is_held, lock_path, remove_lock
from dbswitch.server.observation import observe
from dbswitch.server.ports import is_free
from dbswitch.server.processes import LINUX, is_alive
from dbswitch.server.spec import ServerLimits, ServerSpec
from dbswitch.server.starting import start, wait_ready
from dbswitch.server.state import ServerState
from dbswitch.server.stopping import remove_lock_if_free, require_ports_free, start_port, stop
from tests.server.conftest import IMPATIENT, PROGRAMS, assert_dead, wait_for
from tests.support.amounts import slice_and_sweep


def asked(url: str) -> dict[str, object]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/api/db", timeout=60) as response:
        return json.load(response)


def by_hand(folder, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*folder.spec.argv, *arguments],
        cwd=folder.root,
        env=folder.environment(**more).env,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    wait_for(lambda: folder.observe().state is ServerState.READY)
    return process


def test_the_states_follow_the_facts(make_folder):
    folder = make_folder()
    assert folder.observe().state is ServerState.STOPPED
    running = folder.start()
    assert folder.observe().state in {ServerState.STARTING, ServerState.READY}
    wait_ready(folder.spec, running)

    seen = folder.observe()
    assert (seen.state, seen.port, seen.by_us) == (ServerState.READY, folder.spec.port, True)
    assert seen.record == running
    assert len(seen.processes) == 2
    assert folder.stop().summary.startswith("2 processes (port ")
    assert folder.observe().state is ServerState.STOPPED


def test_a_script_that_sets_a_port_of_its_own_is_found_on_that_port(make_folder):
    folder = make_folder()
    other = free_port()
    folder.spec = replace(folder.spec, argv=(*folder.spec.argv, "-p", str(other)))
    running = folder.start()
    assert running.port != other
    answer = wait_ready(folder.spec, running)
    assert (answer.running.port, answer.running.url) == (other, folder.spec.url(other))
    seen = folder.observe()
    assert (seen.state, seen.port, seen.record) == (ServerState.READY, other, answer.running)
    folder.stop()


@pytest.mark.parametrize("seconds", [1, 59, 61, 600, 10 * 86400])
def test_a_healthy_server_is_ready_at_any_age_and_running_while_it_was_not_asked(
    make_folder, monkeypatch, seconds
):
    folder = make_folder()
    folder.start_ready()
    monkeypatch.setattr(observation, "age", lambda _process: float(seconds))

    assert folder.observe().state is ServerState.READY
    assert observe(folder.spec, ask=False).state is ServerState.RUNNING
    folder.stop()


def test_files_that_changed_or_came_after_the_start_are_named_whatever_their_mtime_says(make_folder):
    folder = make_folder()
    names = ("before", "edited", "moved", "linked", "future")
    before, edited, moved, linked, future = files = [folder.root / name for name in names]
    for path in files:
        path.write_text("A=1\n")
    old = folder.root / "old"
    old.write_text("A=2\n")
    os.utime(old, (1, 1))
    past_the_grain(folder)
    folder.start_ready()
    assert observation.changed_since_start(folder.observe(), files) == ()

    past_the_grain(folder)
    edited.write_text("A=3\n")
    old.rename(moved)
    linked.unlink()
    linked.symlink_to(before)
    assert observation.changed_since_start(folder.observe(), files) == (edited, moved, linked)
    os.utime(future, (time.time() + 900,) * 2)  # its ctime is the moment of this call
    assert future in observation.changed_since_start(folder.observe(), files)
    folder.stop()


def past_the_grain(folder) -> None:
    """Poll until a file's time is clearly after everything before."""
    probe, began = folder.root / "probe", time.time()
    wait_for(lambda: (probe.touch(), probe.stat().st_mtime > began + 0.15)[1])


def test_a_file_that_changed_before_the_clock_was_set_forward_is_still_newer_than_the_server(
    make_folder, monkeypatch
):
    folder = make_folder()
    running = folder.start_ready()
    past_the_grain(folder)
    edited = folder.root / ".env"
    edited.write_text("A=1\n")
    now = time.time()
    monkeypatch.setattr(observation.time, "time", lambda: now + 3600)
    assert running.began < edited.stat().st_mtime
    assert observation.changed_since_start(folder.observe(), [edited]) == (edited,)
    folder.stop()


def test_a_server_started_by_hand_is_adopted_with_its_port(make_folder):
    folder = make_folder()
    other = free_port()
    process = by_hand(folder, "-p", str(other))
    with contextlib.suppress(subprocess.TimeoutExpired):
        seen = folder.observe()
        assert (seen.by_us, seen.port, seen.record) == (False, other, None)
        folder.stop()
        process.wait(60)
    assert folder.living() == []


def test_the_server_goes_back_to_where_it_was_unless_the_project_names_a_port(make_folder):
    folder = make_folder(port_explicit=False)
    assert start_port(folder.spec, 4321) == 4321
    assert start_port(folder.spec, None) == folder.spec.port
    folder = make_folder(name="named")
    assert start_port(folder.spec, 4321) == folder.spec.port


@pytest.mark.parametrize("victim", ["program", "server"])
def test_after_the_death_of_half_the_chain_stop_and_start_end_with_one_server(make_folder, victim):
    folder = make_folder()
    folder.start_ready()
    [program, server] = [one.process for one in folder.observe().processes]
    os.kill((program if victim == "program" else server).pid, 9)
    wait_for(lambda: len(folder.living()) == (1 if victim == "program" else 0))

    folder.stop()
    folder.start_ready()

    assert not is_alive(program.id)
    assert not is_alive(server.id)
    assert len(folder.living()) == 2
    assert folder.observe().state is ServerState.READY
    folder.stop()


def test_a_server_that_ends_after_it_was_observed_was_not_stopped_by_us(make_folder):
    folder = make_folder()
    folder.start_ready()
    seen = folder.observe()
    for one in folder.living():
        os.kill(one.pid, 9)
    wait_for(lambda: not folder.living())
    steps: list[str] = []
    report = stop(folder.spec, seen, on_step=steps.append)
    assert (report.summary, steps) == ("nothing was running", [])


def test_a_stranger_on_the_port_is_named_and_survives(make_folder):
    folder, elsewhere = make_folder(), make_folder(name="elsewhere")
    stranger = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(folder.spec.port), "--bind", "127.0.0.1"],
        cwd=elsewhere.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: not is_free(folder.spec.port))
        seen = folder.observe()
        assert seen.state is ServerState.FOREIGN
        report = stop(folder.spec, seen)
        assert report.summary == "nothing was running"
        for attempt in (lambda: require_ports_free(folder.spec, folder.spec.port), folder.start):
            with pytest.raises(PortTakenError) as caught:
                attempt()
            [fact] = caught.value.facts
            assert f"pid {stranger.pid}" in fact
            assert "http.server" in fact
            assert str(elsewhere.root) in fact
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_stranger_on_the_port_is_ended_when_a_person_said_so(make_folder):
    folder = make_folder(limits=IMPATIENT)
    code = (
        "import signal, socket, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); signal.pause()"
    )
    stranger = subprocess.Popen([sys.executable, "-c", code, str(folder.spec.port)])
    try:
        wait_for(lambda: not is_free(folder.spec.port))
        steps: list[str] = []
        require_ports_free(folder.spec, folder.spec.port, take_port=True, on_step=steps.append)
        assert [step.partition(" to port")[0] for step in steps] == ["TERM", "KILL"]
        assert stranger.wait(60) == -9
        folder.start_ready()
        folder.stop()
    finally:
        stranger.kill()
        stranger.wait()


def test_who_took_the_port_between_the_check_and_the_start_is_named(make_folder):
    folder = make_folder()
    with socket.create_server(("::", folder.spec.port), family=socket.AF_INET6, dualstack_ipv6=True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dbswitch.server.ports.is_free", lambda _port: True)
            running = folder.start()
        with pytest.raises(PortTakenError) as caught:
            wait_ready(folder.spec, running)
    assert f"port {folder.spec.port}" in caught.value.what
    assert f"pid {os.getpid()}" in caught.value.facts[0]
    assert any("EADDRINUSE" in fact for fact in caught.value.facts)


def test_a_process_above_us_is_never_ended_for_its_port(make_folder):
    folder = make_folder()
    with socket.create_server(("127.0.0.1", folder.spec.port)), pytest.raises(PortTakenError) as caught:
        require_ports_free(folder.spec, folder.spec.port, take_port=True)
    assert "one of its descendants" in caught.value.what


def test_a_stranger_on_another_watched_port_is_a_remark_and_survives(make_folder):
    side = free_port()
    folder = make_folder(ports=(side,))
    stranger = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(side), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: not is_free(side))
        folder.start_ready()
        folder.stop()
        text = require_ports_free(folder.spec, folder.spec.port)
        assert f"port {side}: pid {stranger.pid}" in text
        assert text.endswith("left alone")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_second_start_is_refused_and_leaves_the_first_server_alone(make_folder):
    folder = make_folder()
    running = folder.start_ready()
    with pytest.raises(ServerError, match="something else started the dev server again"):
        folder.start()
    assert is_alive(running.process)
    folder.stop()


def test_a_server_that_was_never_stopped_is_not_said_to_have_been_started_again(make_folder):
    folder = make_folder()
    folder.start_ready()
    code = (
        "import os, sys; from dbswitch.server.starting import start; from dbswitch.errors import ServerError;"
        "from dbswitch.server.environment import CleanEnvironment;"
        "from tests.server.test_standin import spec_of; from pathlib import Path\n"
        "try: start(spec_of(Path(sys.argv[1]), int(sys.argv[2])), CleanEnvironment(os.environ))\n"
        "except ServerError as error: print(error.what)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder.root), str(folder.spec.port)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "a dev server of this project is still running\n", done.stderr
    folder.stop()


def test_the_lock_of_a_living_server_is_never_removed(make_folder):
    folder = make_folder()
    folder.start_ready()
    lock = lock_path(folder.spec.dist_dir)

    assert lock_is_held(lock)
    assert not remove_lock_if_free(folder.spec)
    assert not remove_lock(lock)
    assert lock.exists()

    folder.stop()
    assert not lock_is_held(lock)
    assert remove_lock_if_free(folder.spec)
    assert not lock.exists()
    assert not remove_lock_if_free(folder.spec)


def test_a_linked_build_folder_does_not_make_another_projects_server_ours(make_folder):
    victim = make_folder(name="victim")
    running = victim.start_ready()
    hostile = make_folder(name="hostile")
    (hostile.root / ".next").symlink_to(victim.root / ".next")
    assert lock_is_held(lock_path(hostile.spec.dist_dir))

    hostile.stop()
    assert is_alive(running.process)
    assert lock_is_held(lock_path(victim.spec.dist_dir))
    victim.stop()


def test_a_poisoned_launch_environment_does_not_reach_the_next_server(make_folder):
    """A server whose environment pins the old URL, as a child of a route handler, is followed by one that reads the files."""
    folder = make_folder()
    (folder.root / ".env").write_text('DATABASE_URL="postgres://new"\n')
    process = by_hand(
        folder, "-p", str(folder.spec.port), __NEXT_PROCESSED_ENV="true", DATABASE_URL="postgres://old"
    )
    seen = folder.observe()
    assert asked(str(seen.url))["effective"] == "postgres://old"
    environment = clean(seen.launch_env(), env_file_keys={"DATABASE_URL"}, target_keys={"DATABASE_URL"})
    folder.stop()
    process.wait(60)

    running = start(folder.spec, environment)
    wait_ready(folder.spec, running)

    assert asked(running.url)["client"] == "postgres://new"
    assert environment.removed == ()
    folder.stop()


def test_the_marker_of_the_old_server_is_not_passed_on(make_folder):
    folder = make_folder()
    first = folder.start_ready()
    environment = clean(folder.observe().launch_env(), env_file_keys=(), target_keys=())
    assert MARKER not in environment.env
    folder.stop()
    second = start(folder.spec, environment)
    assert second.marker != first.marker
    wait_ready(folder.spec, second)
    folder.stop()


def test_a_crash_gives_the_exit_status_to_its_parent(make_folder):
    folder = make_folder("ignores_term")
    running = folder.start_ready()
    assert processes.child_status(running.pid) is None
    os.kill(running.pid, 9)
    wait_for(lambda: processes.child_status(running.pid) == -9)


@pytest.mark.skipif(not LINUX, reason="counts descriptors in /proc")
@slice_and_sweep("restarts", 4, 15)
def test_restarts_leak_nothing(make_folder, tmp_path, monkeypatch, restarts):
    folder = make_folder()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    folder.start_ready()
    folder.stop()  # the first round imports what it needs

    def counts() -> dict[str, int]:
        return {
            "descriptors": len(list(Path("/proc/self/fd").iterdir())),
            "files": len(list(folder.spec.state_dir.iterdir())),
            "temporary files": len(list(temporary.iterdir())),
            "processes": len(folder.living()),
            "children": sum(child.poll() is None for child in processes._children.values()),
        }

    before = counts()
    for _ in range(restarts):
        running = folder.start_ready()
        [program, server] = [one.id for one in folder.observe().processes]
        assert program == running.process
        folder.stop()
        assert_dead([program, server])
    print(before, counts())
    assert counts() == before
    assert is_free(folder.spec.port)


PYTHON_FOR_ALL = shutil.which("python3", path="/usr/bin:/bin")


@pytest.mark.root
@pytest.mark.skipif(PYTHON_FOR_ALL is None, reason="needs a python3 that everybody may run")
def test_it_works_without_privileges_beside_processes_of_others():
    """Most of `/proc` is closed to it then; what is its own is still found, proven and stopped."""
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o777)
        shutil.copyfile(PROGRAMS / "standin_next.py", home / "standin_next.py")
        code = (
            "import sys; from tests.server.test_standin import as_nobody; as_nobody(sys.argv[1], sys.argv[2])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(home), str(free_port())],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == "ready by nobody, stopped 2\n"
    finally:
        shutil.rmtree(home)


@pytest.mark.root
@pytest.mark.skipif(PYTHON_FOR_ALL is None, reason="needs a python3 that everybody may run")
def test_a_server_of_another_user_whose_sockets_cannot_be_read_is_ready_at_any_age():
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o755)
        shutil.copyfile(PROGRAMS / "standin_next.py", home / "standin_next.py")
        spec = spec_of(home, free_port())
        running = start(spec, clean(os.environ, env_file_keys=(), target_keys=()))
        wait_ready(spec, running)
        code = "import sys; from tests.server.test_standin import look_as_nobody; look_as_nobody(sys.argv[1], sys.argv[2])"
        done = subprocess.run(
            [sys.executable, "-c", code, str(home), str(spec.port)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"ready at {running.url}\n"
        stop(spec, observe(spec))
    finally:
        shutil.rmtree(home)


def look_as_nobody(home: str, port: str) -> None:
    become_nobody(home)
    observation.age = lambda _process: 600.0
    seen = observe(spec_of(Path(home), int(port)))
    print(f"{seen.state} at {seen.url}")


def become_nobody(home: str) -> None:
    """Change to `nobody` only after everything is imported: the interpreter itself may be root's alone."""
    for name in ("ascii", "idna", "latin_1", "utf_8"):
        codecs.lookup(name)

    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    os.chdir(home)
    with pytest.raises(PermissionError):
        next(Path("/proc/1/fd").iterdir())


def spec_of(home: Path, port: int) -> ServerSpec:
    return ServerSpec(
        argv=(str(PYTHON_FOR_ALL), f"{home}/standin_next.py", "dev"),
        cwd=home,
        port=port,
        port_explicit=True,
        ports=(port,),
        dist_dir=home / ".next",
        state_dir=home / ".dbswitch",
        private_dir=home / "state" / "dbswitch" / "app",
    )


def as_nobody(home: str, port: str) -> None:
    become_nobody(home)
    spec = spec_of(Path(home), int(port))
    environment = clean(observe(spec).launch_env(), env_file_keys=(), target_keys=())
    wait_ready(spec, start(spec, environment))
    seen = observe(spec)
    report = stop(spec, seen)
    assert require_ports_free(spec, spec.port)
    print(f"{seen.state} by nobody, stopped {len(report.stopped)}")


def test_the_program_of_a_dead_server_is_not_waited_for(make_folder):
    """Next's own lingers for up to three seconds after its server; here it would for ever."""
    folder = make_folder(limits=ServerLimits(term=100, kill=5, ready=60))
    folder.start_ready(STANDIN_LINGERS="1")
    began = time.monotonic()
    report = folder.stop()
    assert time.monotonic() - began < 90
    assert len(report.stopped) == 2
    assert folder.living() == []


def test_ready_is_an_answer_of_the_server_and_waits_for_no_page(make_folder):
    folder = make_folder()
    running = folder.start(STANDIN_COMPILES="100")
    began = time.monotonic()
    answer = wait_ready(folder.spec, running)
    assert time.monotonic() - began < 90
    assert (answer.status, answer.failing) == (200, False)


def test_a_base_path_is_found_where_next_wrote_it_down(make_folder):
    folder = make_folder()
    running = folder.start(STANDIN_COMPILES="100", STANDIN_BASE_PATH="/shop")
    assert wait_ready(folder.spec, running).failing is False


def test_a_configured_ready_path_is_waited_for(make_folder):
    folder = make_folder(ready_path="/")
    running = folder.start(STANDIN_COMPILES="1.5")
    began = time.monotonic()
    wait_ready(folder.spec, running)
    assert time.monotonic() - began >= 1.0


def test_the_first_page_is_asked_for_in_the_background_and_its_failure_is_known_once_it_answers(make_folder):
    folder = make_folder()
    compiled = folder.root / "compiled"
    running = folder.start(STANDIN_COMPILED=str(compiled), STANDIN_PAGE_FAILS="1")
    wait_ready(folder.spec, running)
    page = PageRequest(folder.spec, running.port)
    assert page.failure is None
    compiled.touch()
    wait_for(lambda: page.failure == 500)


def test_a_page_request_that_a_signal_cut_short_before_it_began_ends_quietly() -> None:
    PageRequest.__new__(PageRequest).__del__()
