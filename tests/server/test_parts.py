"""Processes, ports, Next's files and the log, each by itself."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dbswitch.demo.postgres import free_port
from dbswitch.server import log, nextjs, ports, processes
from dbswitch.server.environment import MARKER
from dbswitch.server.processes import LINUX, ProcessId
from dbswitch.server.server_record import ServerRecord, new_marker, read_record, write_record
from tests.server.conftest import wait_for


def sleeper(**options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], **options)


def test_a_signal_reaches_only_the_process_that_was_identified():
    child = sleeper()
    try:
        known = processes.identify(child.pid)
        assert known is not None
        other = ProcessId(child.pid, known.started + "0")
        assert processes.send(other, signal.SIGKILL) is False
        assert processes.is_alive(known)
        assert processes.send(known, signal.SIGKILL) is True
        assert processes.wait_gone([known], 5) == ()
        # Not reaped yet: a zombie is dead, and cannot be signalled.
        assert processes.identify(child.pid) is None
        assert processes.send(known, signal.SIGKILL) is False
    finally:
        child.kill()
        child.wait()


def test_waiting_ends_at_its_limit_and_names_who_is_left():
    child = sleeper()
    try:
        known = processes.identify(child.pid)
        began = time.monotonic()
        assert processes.wait_gone([known], 0.1) == (known,)
        assert time.monotonic() - began > 0.09
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.skipif(not LINUX, reason="the table it confuses is that of Linux")
def test_a_process_title_with_parentheses_does_not_confuse_the_identity():
    code = (
        "import ctypes, signal; ctypes.CDLL(None).prctl(15, b'a) R 1 (b'); print(flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as odd:
        try:
            assert odd.stdout is not None
            odd.stdout.readline()
            assert processes.look_at(odd.pid).parent == os.getpid()
        finally:
            odd.kill()


def test_the_way_for_other_systems_agrees_with_the_one_for_linux(monkeypatch):
    """psutil's way is written for macOS; here it can at least be compared."""
    child = sleeper(env={**os.environ, MARKER: "x.1"}, cwd="/")
    try:
        here = processes.look_at(child.pid)
        there = processes._look_psutil(child.pid)
        assert here.marker == there.marker == "x.1"
        for name in ("parent", "group", "session", "user", "argv", "folder", "suspended"):
            assert getattr(here, name) == getattr(there, name), name
        monkeypatch.setattr(processes, "LINUX", False)
        known = processes.identify(child.pid)
        assert known == there.id
        assert processes.is_alive(known)
        assert processes.environment_of(known)[MARKER] == "x.1"
        assert 0 <= processes.age(known) < 60
        assert processes.send(known, signal.SIGKILL) is True
        assert processes.wait_gone([known], 5) == ()
    finally:
        child.kill()
        child.wait()


def test_a_listener_is_named_with_pid_command_user_and_folder():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        [found] = ports.listeners([port])[port]
        assert found.pid == os.getpid()
        assert found.process.folder == str(Path.cwd())
        assert f"pid {os.getpid()}" in found.describe()
        assert port in ports.listening_of([os.getpid()])
        assert not ports.is_free(port)
        assert ports.wait_free([port], 0.05) == (port,)
    assert ports.listeners([port])[port] == ()


def test_a_server_that_begins_to_listen_while_it_is_observed_is_no_stranger():
    sockets = ports.listening_sockets()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        [found] = ports.listeners([port], likely=[os.getpid()], sockets=sockets)[port]
        assert found.pid == os.getpid()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_is_not_free_whichever_family_holds_it(family):
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.create_server((host, 0), family=family) as listening:
        assert not ports.is_free(listening.getsockname()[1])


def test_a_connection_in_time_wait_does_not_take_the_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        server, _ = listening.accept()
        server.close()  # the side that closes first keeps TIME_WAIT
        client.close()
    assert ports.is_free(port)


def test_a_port_that_answers_is_not_free_even_when_no_table_shows_who_it_is(monkeypatch):
    monkeypatch.setattr(ports, "listening_sockets", list)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        [found] = ports.listeners([port])[port]
        assert found.pid is None
        assert "does not reveal" in found.describe()


@pytest.mark.skipif(not LINUX, reason="psutil's own view needs no proof elsewhere")
def test_psutil_sees_the_same_listener():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert port in ports._ports_psutil(os.getpid())


@pytest.mark.parametrize("content", ["", '{"pid": 1234567, "port": 3000}'])
def test_the_holder_of_the_lock_is_who_holds_it_not_who_is_named(tmp_path, content):
    lock = tmp_path / "lock"
    assert not nextjs.lock_is_held(lock)
    lock.write_text(content)
    assert nextjs.lock_holders(lock) == frozenset()
    with lock.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert nextjs.lock_is_held(lock)
        if LINUX:
            assert nextjs.lock_holders(lock) == {os.getpid()}
        assert not nextjs.remove_lock(lock)
        assert lock.exists()
    assert nextjs.remove_lock(lock)
    assert not lock.exists()


@pytest.mark.skipif(not LINUX, reason="/proc/locks is Linux's")
def test_a_process_that_locks_the_same_inode_number_of_another_device_is_not_the_holder(
    monkeypatch, tmp_path
):
    # stat reports a device with major number 0 for tmpfs, as for btrfs and overlayfs.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        lock = Path(folder, "lock")
        lock.touch()
        with sleeper() as stranger, lock.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            table = tmp_path / "locks"
            table.write_text(
                "".join(
                    f"{n}: FLOCK  ADVISORY  WRITE {pid} 08:01:{lock.stat().st_ino} 0 EOF\n"
                    for n, pid in enumerate((stranger.pid, os.getpid()), 1)
                )
            )
            monkeypatch.setattr(nextjs, "_PROC_LOCKS", table)
            found = nextjs.lock_holders(lock)
            stranger.kill()
        assert found == {os.getpid()}


def package(root, **scripts: str) -> dict[str, str]:
    entry = root / "node_modules/next/dist/bin/next"
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.touch()
    (root / "package.json").write_text(json.dumps({"scripts": scripts}))
    return scripts


@pytest.mark.parametrize(
    ("text", "arguments", "port"),
    [
        ("next dev", [], None),
        ("next", [], None),
        ("next dev -p 4000", [], 4000),
        ("next dev --port=4000 --turbopack", ["--turbopack"], 4000),
        ("next dev --turbopack -H 0.0.0.0", ["--turbopack", "-H", "0.0.0.0"], None),
        ("next dev ./web", ["./web"], None),
    ],
)
def test_a_plain_script_runs_node_on_the_entry_point_of_next(tmp_path, text, arguments, port):
    command = nextjs.dev_command(tmp_path, package(tmp_path, dev=text))
    assert command.argv[1:] == (str(tmp_path / "node_modules/next/dist/bin/next"), "dev", *arguments)
    assert command.port_flag
    assert command.port == port


@pytest.mark.parametrize(
    ("scripts", "port"),
    [
        ({"dev": "next dev && echo"}, None),
        ({"dev": "NODE_OPTIONS=--inspect next dev -p 4000"}, 4000),
        ({"dev": "PORT=4001 next dev"}, 4001),
        ({"dev": "next dev", "predev": "x"}, None),
        ({"dev": "next dev", "postdev": "x"}, None),
        ({"dev": "next dev $FLAGS"}, None),
        ({"dev": "next dev '-p' 1"}, None),
        ({"dev": "next start"}, None),
        ({"dev": "concurrently next worker"}, None),
    ],
)
def test_any_other_script_runs_through_the_package_manager(tmp_path, scripts, port):
    command = nextjs.dev_command(tmp_path, package(tmp_path, **scripts), manager="pnpm")
    assert command.argv == ("pnpm", "run", "dev")
    assert not command.port_flag
    assert command.port == port


def test_a_workspace_finds_next_where_node_would(tmp_path):
    scripts = package(tmp_path, dev="next dev")
    app = tmp_path / "apps" / "web"
    app.mkdir(parents=True)
    assert nextjs.dev_command(app, scripts).argv[1] == str(tmp_path / "node_modules/next/dist/bin/next")


def test_npm_settings_that_change_how_scripts_run_are_respected(tmp_path):
    scripts = package(tmp_path, dev="next dev")
    (tmp_path / ".npmrc").write_text("node-options=--inspect\n")
    assert not nextjs.dev_command(tmp_path, scripts).port_flag


def test_the_record_survives_being_written_and_read_and_holds_no_environment(tmp_path):
    path = tmp_path / ".dbswitch" / "server.json"
    assert read_record(path) is None
    record = ServerRecord(ProcessId(42, "boot:1"), new_marker(tmp_path), 3000, "http://localhost:3000", 1.5)
    write_record(path, record, tmp_path)
    assert read_record(path) == record
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"v": 1, "pid": "42"}')
    assert read_record(path) is None


def test_the_log_is_cut_by_copying_and_its_writer_goes_on_at_the_beginning(tmp_path):
    path = tmp_path / ".dbswitch" / "server.log"
    writer = log.open_for_append(path)
    os.write(writer, b"old\n" * 10)
    assert log.rotate(path, limit=20)
    os.write(writer, b"new\n")
    os.close(writer)
    assert path.read_bytes() == b"new\n"
    assert path.with_name("server.log.1").read_bytes() == b"old\n" * 10
    assert not log.rotate(path, limit=20)
    assert log.tail(path, 9) == (b"new\n", 4)


def test_several_followers_that_rotate_at_once_keep_the_whole_log(tmp_path, monkeypatch):
    path = tmp_path / "server.log"
    content = b"line\n" * 10_000
    path.write_bytes(content)
    meanwhile: list[bool] = []
    copy = log.shutil.copyfileobj

    def copy_while_another_rotates(source, target):
        copy(source, target)
        meanwhile.append(log.rotate(path, limit=20))

    monkeypatch.setattr(log.shutil, "copyfileobj", copy_while_another_rotates)
    assert log.rotate(path, limit=20)
    assert meanwhile == [False]
    assert path.read_bytes() == b""
    assert path.with_name("server.log.1").read_bytes() == content
    monkeypatch.undo()

    path.write_bytes(content)
    with ThreadPoolExecutor(8) as followers:
        assert sum(followers.map(lambda _: log.rotate(path, limit=20), range(64))) == 1
    assert path.with_name("server.log.1").read_bytes() == content
    assert sorted(one.name for one in tmp_path.iterdir()) == ["server.log", "server.log.1"]


def test_following_goes_on_across_a_cut_and_ends_when_told(tmp_path):
    path = tmp_path / "server.log"
    texts = iter((b"one\n", b"", b"two\n", b"two\nthree\n"))

    def stop() -> bool:
        text = next(texts, None)
        if text is not None:
            path.write_bytes(text)
        return text is None

    assert b"".join(log.follow(path, since=0, stop=stop, look=0)) == b"one\ntwo\nthree\n"


def test_the_last_lines_begin_where_this_server_did(tmp_path):
    path = tmp_path / "server.log"
    path.write_bytes(b"before\n\nafter one\nafter two\n")
    assert log.tail(path, 9, since=8) == (b"after one\nafter two\n", 28)
    assert log.tail(path, 1) == (b"after two\n", 28)
    assert log.tail(tmp_path / "none", 9) == (b"", 0)


def test_waiting_for_a_free_port_ends_as_soon_as_it_is():
    port = free_port()
    code = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert not ports.is_free(port)
        assert holder.stdin is not None
        holder.stdin.close()
        assert ports.wait_free([port], 10) == ()
    wait_for(lambda: ports.is_free(port))
