"""The pure parts: states, environment, command lines, claims."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from msgspec.structs import replace

from dbswitch.server.command_lines import (
    env_file_loader,
    is_chain_parent,
    is_dbswitch,
    is_next_dev,
    is_next_server,
    is_package_manager,
    is_personal,
    masked_command,
)
from dbswitch.server.environment import MARKER, clean, without_next_options
from dbswitch.server.ownership import Evidence, Proof, claim
from dbswitch.server.processes import Process, ProcessId
from dbswitch.server.state import Reply, ServerState, of_absent, of_living

# What a route handler's child inherits on 16.0.7 and 16.4.6 (measured), without the machine's own variables.
FROM_NEXT = {
    "__NEXT_PROCESSED_ENV": "true",
    "__NEXT_PRIVATE_ORIGIN": "http://localhost:3000",
    "__NEXT_DEV_SERVER": "1",
    "NEXT_PRIVATE_WORKER": "1",
    "NEXT_PRIVATE_TRACE_ID": "38dabda5819ffcf8",
    "NEXT_PRIVATE_START_TIME": "1795340942201",
    "NEXT_PRIVATE_ENABLED_FEATURES": "{}",
    "NEXT_PRIVATE_DEV_SPAN_ATTRS": '{"rage-restart":false}',
    "NEXT_PRIVATE_ALLOWED_UPGRADE_RETRIES": "",
    "NEXT_RUNTIME": "nodejs",
    "NEXT_DEPLOYMENT_ID": "",
    "NODE_ENV": "development",
    "NODE_OPTIONS": "--max-old-space-size=12052 --enable-source-maps",
    "PORT": "3000",
    "RUST_MIN_STACK": "8388608",
    "TURBOPACK": "1",
}


def test_nothing_that_next_put_into_its_environment_is_passed_on():
    launch = {"HOME": "/home/ann", "DATABASE_URL": "postgres://old", "npm_x": "kept"} | FROM_NEXT
    cleaned = clean(
        without_next_options(launch, memory_mib=24105),
        env_file_keys={"DATABASE_URL"},
        target_keys={"DIRECT_URL"},
        extra={"FORCE_COLOR": "1"},
    )
    assert cleaned.env == {"HOME": "/home/ann", "npm_x": "kept", "FORCE_COLOR": "1"}
    assert cleaned.removed == ()
    assert "old" not in repr(cleaned)


def test_what_a_person_exported_is_removed_and_named():
    cleaned = clean(
        {"PATH": "/bin", "DATABASE_URL": "x", "DIRECT_URL": "y", "NODE_ENV": "test", "TURBOPACK": "0"},
        env_file_keys={"DATABASE_URL", "PATH"},
        target_keys={"DIRECT_URL"},
    )
    assert cleaned.env == {"PATH": "/bin", "NODE_ENV": "test", "TURBOPACK": "0"}
    assert cleaned.removed == ("DATABASE_URL", "DIRECT_URL")


def test_the_traces_of_npm_go_only_where_npm_ran_the_script():
    launch = {"npm_config_registry": "x", "INIT_CWD": "/", "npm_lifecycle_event": "dev", "EDITOR": "vi"}
    assert clean(launch, env_file_keys=(), target_keys=()).env == {"EDITOR": "vi"}
    del launch["npm_lifecycle_event"]
    assert clean(launch, env_file_keys=(), target_keys=()).env == launch


def test_node_options_that_a_person_chose_stay():
    launch = {"NEXT_PRIVATE_WORKER": "1", "NODE_OPTIONS": "--max-old-space-size=8000 --enable-source-maps"}
    assert without_next_options(launch, 24105)["NODE_OPTIONS"] == "--max-old-space-size=8000"
    by_hand = {"NODE_OPTIONS": "--enable-source-maps"}
    assert without_next_options(by_hand, 24105) == by_hand


@given(
    st.dictionaries(st.sampled_from([*FROM_NEXT, "DATABASE_URL", "A", "PATH", MARKER]), st.text(max_size=3)),
    st.sets(st.sampled_from(["DATABASE_URL", "A", "PATH"])),
)
def test_no_bound_key_survives_and_cleaning_twice_changes_nothing(launch, bound):
    once = clean(launch, env_file_keys=bound, target_keys=())
    assert not (bound - {"PATH"}) & once.env.keys()
    assert MARKER not in once.env
    assert clean(once.env, env_file_keys=bound, target_keys=()).env == once.env


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, ServerState.STOPPED),
        ({"recorded": True}, ServerState.EXITED),
        ({"foreign": True}, ServerState.FOREIGN),
        ({"recorded": True, "foreign": True}, ServerState.FOREIGN),
        ({"foreign": True, "hidden": True}, ServerState.HIDDEN),
    ],
)
def test_where_no_process_of_the_server_is_seen_the_state_is_what_the_facts_amount_to(facts, state):
    assert of_absent(**{"recorded": False, "hidden": False, "foreign": False} | facts) is state


@pytest.mark.parametrize(
    ("reply", "starting", "state"),
    [
        (Reply.NONE, True, ServerState.STARTING),
        (Reply.NONE, False, ServerState.HALF_DEAD),
        (Reply.NOT_ASKED, True, ServerState.RUNNING),
        (Reply.NOTHING_WORKS, True, ServerState.HALF_DEAD),
        (Reply.ALIVE, True, ServerState.READY),
        (Reply.ALIVE, False, ServerState.READY),
    ],
)
def test_the_state_of_a_living_server_is_what_it_answers(reply, starting, state):
    assert of_living(reply, starting=starting) is state


@pytest.mark.parametrize("reply", [Reply.NOT_ASKED, Reply.ALIVE, Reply.NOTHING_WORKS])
def test_a_server_that_listens_has_the_same_state_at_every_age_unless_it_was_asked_and_gave_no_answer(reply):
    young, old = (of_living(reply, starting=starting) for starting in (True, False))
    assert young is old
    assert (young is ServerState.HALF_DEAD) == (reply is Reply.NOTHING_WORKS)


@pytest.mark.parametrize(
    ("function", "yes", "no"),
    [
        (is_next_server, [["next-server (v16.0.7)"]], [["node", "next-server.js"], []]),
        (
            is_next_dev,
            [
                ["node", "/a/node_modules/.bin/next", "dev"],
                ["/usr/bin/node", "--inspect", "/a/node_modules/next/dist/bin/next", "dev", "-p", "3000"],
                ["node", "node_modules/next/dist/bin/next"],
                ["node", "--env-file", ".env", "node_modules/next/dist/bin/next", "dev"],
                ["node", "--env-file=.env", "node_modules/next/dist/bin/next", "dev"],
                ["node", "/a/node_modules/.bin/next", "--turbopack", "./web"],
                ["next", "dev"],
            ],
            [
                ["node", "/a/node_modules/.bin/next", "build"],
                ["node", "/a/node_modules/.bin/next", "start", "-p", "3000"],
                ["node", "server.js", "dev"],
                ["vim", "next"],
                ["node"],
                [],
            ],
        ),
        (
            is_package_manager,
            [["npm run dev"], ["node", "/usr/bin/npm", "run", "dev"], ["node", "/x/pnpm.cjs", "dev"], ["bun", "run", "dev"]],
            [["node", "server.js"], ["bash"], ["node"], []],
        ),
        (
            is_personal,
            [["bash"], ["-zsh"], ["/bin/bash", "--login"], ["nvim", "a.ts"], ["/usr/share/code/code", "."], ["tmux: server"], ["/Applications/Zed.app/Contents/MacOS/zed"]],
            [["sh", "-c", "next dev"], ["bash", "run.sh"], ["node", "x"], ["next-server (v16.0.7)"], []],
        ),
        (
            is_dbswitch,
            [["python", "-m", "dbswitch", "prod"], ["/v/bin/python3", "/v/bin/dbswitch", "prod"], ["dbswitch"], ["uv", "run", "dbswitch"]],
            [["python", "-m", "pytest"], ["node", "dbswitch.js"], ["next-server (v16)"], []],
        ),
    ],
)  # fmt: skip
def test_command_lines_are_told_apart(function, yes, no):
    assert [argv for argv in yes if not function(argv)] == []
    assert [argv for argv in no if function(argv)] == []


@pytest.mark.parametrize(
    ("argv", "loader"),
    [
        (["node", "/a/node_modules/.bin/dotenv", "-e", ".env", "--", "next", "dev"], "dotenv"),
        (["node", "/a/node_modules/.bin/../dotenv-cli/cli.js", "next", "dev", "--turbo"], "dotenv-cli"),
        (["/usr/bin/dotenvx", "run", "--", "next", "dev"], "dotenvx"),
        (["node", "/a/node_modules/.bin/env-cmd", "next", "dev"], "env-cmd"),
        (["node", "--env-file=.env", "/a/node_modules/next/dist/bin/next", "dev"], "--env-file"),
        (["node", "--env-file-if-exists", ".env", "/a/node_modules/next/dist/bin/next"], "--env-file"),
        (["node", "/a/node_modules/next/dist/bin/next", "dev"], None),
        (["node", "/a/dotenv/project/node_modules/next/dist/bin/next", "dev", "--env-file"], None),
        (["npm run dev"], None),
        ([], None),
    ],
)
def test_a_program_that_loads_an_env_file_for_its_command_is_recognised(argv, loader):
    assert env_file_loader(argv) == loader


def test_a_script_shell_belongs_to_the_chain_only_below_a_package_manager():
    assert is_chain_parent(["sh", "-c", "next dev"], ["npm run dev"])
    assert not is_chain_parent(["bash", "-c", "cd app && npm run dev"], ["gnome-terminal"])
    assert not is_chain_parent(["bash"], ["npm run dev"])


@pytest.mark.parametrize(
    "argv",
    [
        ["psql", "postgresql://ann:hunter2@db/shop"],
        ["x", "https://ann:hunter2@example.org/"],
        ["server", "--password", "hunter2"],
        ["server", "--api-key=hunter2"],
        ["PGPASSWORD=hunter2", "x"],
    ],
)
def test_no_secret_of_a_command_line_is_shown(argv):
    assert "hunter2" not in masked_command(argv)


def claimed(snapshot: dict[int, Process], evidence: Evidence) -> dict[int, Proof]:
    return {one.process.pid: one.proof for one in claim(snapshot, evidence).owned}


def chain(*, marker: str | None = None, folder: str = "/app") -> dict[int, Process]:
    """shell 10 -> npm 20 -> sh 30 -> next dev 40 -> next-server 50, with an editor and a dbswitch below it."""
    lines = {
        1: (0, ["systemd"]),
        10: (1, ["bash"]),
        20: (10, ["npm run dev"]),
        30: (20, ["sh", "-c", "next dev"]),
        40: (30, ["node", "/app/node_modules/.bin/next", "dev"]),
        50: (40, ["next-server (v16.0.7)"]),
        60: (50, ["node", "postcss.js"]),
        70: (50, ["code", "app/page.tsx"]),
        80: (50, ["sh", "-c", "dbswitch prod"]),
        90: (80, ["python", "/v/bin/dbswitch", "prod"]),
        95: (90, ["git", "status"]),
    }
    return {
        pid: Process(
            ProcessId(pid, f"boot:{pid}"),
            parent=parent,
            group=80 if pid in {80, 90, 95} else 20,
            session=80 if pid in {80, 90, 95} else 10,
            user=1000,
            argv=tuple(argv),
            folder=folder,
            marker=marker if pid >= 40 else None,
            next_worker=pid in {50, 80, 90, 95},
        )
        for pid, (parent, argv) in lines.items()
    }


@pytest.mark.parametrize("marker", [None, "p.1"])
def test_the_chain_is_claimed_and_the_shell_the_editor_and_dbswitch_are_not(marker):
    evidence = Evidence(root="/app", marker_prefix="p.", self_pid=90)
    claims = claim(chain(marker=marker), evidence)
    found = {one.process.pid: one.proof for one in claims.owned}
    assert set(found) == ({20, 30, 40, 50, 60} if marker is None else {40, 50, 60})
    assert found[50] is Proof.FOLDER
    assert found[60] is (Proof.CHILD if marker is None else Proof.NODE)
    assert [one.pid for one in claims.left_alone] == ([] if marker is None else [70])


def test_another_dbswitch_below_the_server_is_not_claimed_either():
    evidence = Evidence(root="/app", marker_prefix="p.", self_pid=12345)
    assert {90, 95} & set(claimed(chain(marker=None), evidence)) == set()


@pytest.mark.parametrize("folder", ["/", "/app/nested", "/other"])
def test_next_in_another_folder_is_not_ours(folder):
    assert claimed(chain(folder=folder), Evidence("/app", "p.", 90)) == {}


def test_the_holder_of_the_lock_is_ours_wherever_it_was_started():
    found = claimed(chain(folder="/repository"), Evidence("/app", "p.", 90, lock_pids=frozenset({50})))
    assert set(found) == {20, 30, 40, 50, 60}


def test_a_session_whose_leader_is_another_process_now_proves_nothing():
    snapshot = chain(folder="/other")
    mine = Evidence("/app", "p.", 90, leader=ProcessId(10, "boot:10"))
    reused = Evidence("/app", "p.", 90, leader=ProcessId(10, "boot:9"))
    assert set(claimed(snapshot, mine)) == {20, 30, 40, 50, 60}
    assert claimed(snapshot, reused) == {}


def test_parents_come_before_their_children():
    pids = list(claimed(chain(), Evidence("/app", "p.", 90)))
    assert pids == sorted(pids)


def process(pid: int, parent: int, command: str, **more: object) -> Process:
    """One process in a session of its own at `/elsewhere`, unless said otherwise."""
    usual = {"group": pid, "session": pid, "user": 1000, "folder": "/elsewhere"}
    argv = (f"{command} (v16.0.7)",) if command == "next-server" else tuple(command.split())
    return Process(ProcessId(pid, f"boot:{pid}"), parent=parent, argv=argv, **usual | more)


def launched(*more: Process) -> dict[int, Process]:
    """A server that dbswitch started, with the marker: leader 20, `next-server` 30 and whatever else is given."""
    ours = {"group": 20, "session": 20, "folder": "/app", "marker": "p.1"}
    found = [
        process(20, 1, "node /app/node_modules/.bin/next dev", **ours),
        process(30, 20, "next-server", next_worker=True, **ours),
        *more,
    ]
    return {one.pid: one for one in found}


RECORDED = Evidence("/app", "p.", 9999, leader=ProcessId(20, "boot:20"))


@pytest.mark.parametrize(
    "other",
    [
        process(50, 20, "sleep 600", marker="p.1"),
        process(50, 1, "postgres -D /app/data", marker="p.1", folder="/app"),
        process(50, 30, "chrome --remote-debugging-port=0", marker="p.1"),
        process(50, 1, "node /home/ann/daemon.js", marker="p.1"),
        process(50, 1, "code /app", marker="p.1", folder="/app"),
        process(50, 20, "code /app", marker="p.1", folder="/app", group=20, session=20),
    ],
)
def test_a_program_that_merely_inherited_the_marker_is_left_alone_and_named(other):
    claims = claim(launched(other), RECORDED)
    assert [one.process.pid for one in claims.owned] == [20, 30]
    assert [one.pid for one in claims.left_alone] == [50]


@pytest.mark.parametrize(
    ("other", "proof"),
    [
        (process(50, 1, "node worker.js", marker="p.1", folder="/app/jobs"), Proof.NODE),
        (process(50, 1, "node /app/worker.js", marker="p.1"), Proof.NODE),
        (process(50, 1, "my-title", marker="p.1", folder="/app", executable="/usr/bin/node"), Proof.NODE),
        (process(50, 1, "bun run x", marker="p.1", folder="/app"), Proof.NODE),
        (process(50, 30, "node worker.js", folder="/app"), Proof.CHILD),
        (process(50, 20, "python worker.py", session=20), Proof.SESSION),
        (process(50, 20, "python worker.py", group=20), Proof.SESSION),
    ],
)
def test_what_left_the_session_is_ours_as_node_in_the_folder_and_what_stayed_is_ours(other, proof):
    assert claimed(launched(other), RECORDED)[50] is proof


def test_a_daemon_with_the_marker_is_ours_while_it_listens_on_the_projects_port():
    daemon = {50: process(50, 1, "python serve.py", marker="p.1", folder="/app")}
    assert claimed(daemon, Evidence("/app", "p.", 1, port_pids=frozenset({50}))) == {50: Proof.PORT}
    assert claimed(daemon, Evidence("/app", "p.", 1)) == {}
    unmarked = {50: process(50, 1, "python serve.py", folder="/app")}
    assert claimed(unmarked, Evidence("/app", "p.", 1, port_pids=frozenset({50}))) == {}


def test_the_name_of_a_left_program_is_told_once_not_for_each_of_its_processes():
    claims = claim(
        launched(
            process(50, 1, "postgres -D data", marker="p.1"),
            process(51, 50, "postgres: checkpointer", marker="p.1"),
        ),
        RECORDED,
    )
    assert [one.pid for one in claims.left_alone] == [50]


def terminal_of_the_editor(*jobs: Process) -> dict[int, Process]:
    """An editor that the server opened (40), a shell in its terminal (50), jobs below that."""
    marked = {"marker": "p.1", "folder": "/app"}
    return launched(
        process(40, 30, "nvim /app/page.tsx", group=20, session=20, **marked),
        process(41, 40, "node /app/node_modules/.bin/tsserver", group=20, session=20, **marked),
        process(50, 40, "bash", **marked),
        *jobs,
    )


def test_what_a_person_runs_in_an_editor_that_the_server_opened_is_left_alone():
    snapshot = terminal_of_the_editor(
        process(60, 50, "node script.js", session=50, marker="p.1", folder="/app"),
        process(61, 50, "python -m http.server", session=50, marker="p.1"),
    )
    claims = claim(snapshot, replace(RECORDED, port_pids=frozenset({61})))
    assert [one.process.pid for one in claims.owned] == [20, 30]
    assert [one.pid for one in claims.left_alone] == [40]


def test_a_server_that_a_person_starts_in_that_terminal_is_the_projects_server():
    snapshot = terminal_of_the_editor(
        process(60, 50, "node /app/node_modules/.bin/next dev", session=50, marker="p.1", folder="/app"),
        process(61, 60, "node worker.js", session=50, group=60, marker="p.1", folder="/app"),
    )
    assert set(claimed(snapshot, RECORDED)) == {20, 30, 60, 61}


def test_after_the_loss_of_the_record_the_servers_session_is_known_by_what_it_proves():
    ours = {"group": 20, "session": 20, "marker": "p.1"}
    snapshot = {
        20: process(20, 1, "python supervise.py", **ours),
        30: process(30, 20, "python serve.py", **ours),
        50: process(50, 20, "sleep 600", marker="p.1"),
    }
    evidence = Evidence("/app", "p.", 1, port_pids=frozenset({30}))
    assert claimed(snapshot, evidence) == {20: Proof.SESSION, 30: Proof.PORT}
    assert claimed(snapshot, replace(evidence, port_pids=frozenset())) == {}


def workspace(runner: str, *siblings: Process, session: int = 10) -> dict[int, Process]:
    """`pnpm -r run dev` or the like (20), by hand: npm 25 -> shell 30 -> `next dev` 40 -> `next-server` 50, and siblings.

    The task of npm has a process group of its own, as in turbo, and perhaps a session.
    """
    job = {"group": 25, "session": session}
    found = [
        process(10, 1, "bash"),
        process(20, 10, runner, group=20, session=10),
        process(25, 20, "npm run dev", **job),
        Process(ProcessId(30, "boot:30"), 25, 25, session, 1000, ("sh", "-c", "next dev"), folder="/app"),
        process(40, 30, "node /app/node_modules/.bin/next dev", folder="/app", **job),
        process(50, 40, "next-server", next_worker=True, folder="/app", **job),
        *siblings,
    ]
    return {one.pid: one for one in found}


SIBLING = process(60, 20, "node /api/server.js", group=20, session=10, folder="/api")


@pytest.mark.parametrize(
    ("runner", "session"),
    [
        ("node /x/pnpm.cjs -r --parallel run dev", 10),
        ("turbo run dev", 10),
        ("turbo run dev", 25),
        ("node /x/node_modules/.bin/nx run-many -t dev", 25),
        ("bash dev.sh", 10),
        ("node /x/concurrently.js a b", 10),
    ],
)
def test_a_parent_with_other_children_is_left_alone_and_so_is_what_stands_between(runner, session):
    """pnpm and turbo end all their packages when a process that they started is killed by a signal."""
    claims = claim(workspace(runner, SIBLING, session=session), Evidence("/app", "p.", 1))
    assert [one.process.pid for one in claims.owned] == [40, 50]
    assert claims.left_alone == ()


def test_a_shell_that_the_runner_puts_around_its_task_hides_no_other_task():
    snapshot = workspace("node /x/concurrently.js a b", SIBLING)
    wrapper = Process(ProcessId(22, "boot:22"), 20, 20, 10, 1000, ("/bin/sh", "-c", "npm run dev"))
    snapshot |= {22: wrapper, 25: process(25, 22, "npm run dev", group=20, session=10)}
    assert claimed(snapshot, Evidence("/app", "p.", 1)).keys() == {40, 50}
    del snapshot[60]
    assert claimed(snapshot, Evidence("/app", "p.", 1)).keys() == {25, 30, 40, 50}


def test_a_package_manager_with_no_other_child_belongs_to_the_chain():
    found = claimed(workspace("node /x/pnpm.cjs run dev"), Evidence("/app", "p.", 1))
    assert found == {
        20: Proof.PARENT,
        25: Proof.PARENT,
        30: Proof.PARENT,
        40: Proof.FOLDER,
        50: Proof.FOLDER,
    }


def test_what_a_terminal_runs_besides_does_not_keep_the_chain_alive():
    other_job = process(60, 10, "node /api/server.js", group=60, session=10)
    found = claimed(workspace("npm run dev", other_job), Evidence("/app", "p.", 1))
    assert found.keys() == {20, 25, 30, 40, 50}


@given(
    parents=st.lists(st.integers(0, 12), min_size=12, max_size=12),
    commands=st.lists(
        st.sampled_from(
            [
                "bash",
                "npm run dev",
                "node x.js",
                "next-server",
                "node /app/.bin/next dev",
                "sleep 1",
                "code .",
            ]
        ),
        min_size=12,
        max_size=12,
    ),
    folders=st.lists(st.sampled_from(["/app", "/app/x", "/other"]), min_size=12, max_size=12),
    markers=st.lists(st.sampled_from([None, "p.1", "q.1"]), min_size=12, max_size=12),
)
def test_in_no_process_tree_is_a_program_claimed_without_a_proof_of_its_own_or_of_its_relatives(
    parents, commands, folders, markers
):
    snapshot = {
        pid: process(pid, parent, command, folder=folder, marker=marker)
        for pid, (parent, command, folder, marker) in enumerate(
            zip(parents, commands, folders, markers, strict=True), start=1
        )
    }
    claims = claim(snapshot, Evidence("/app", "p.", 99))
    owned = {one.process.pid: one.proof for one in claims.owned}
    assert not owned.keys() & {one.pid for one in claims.left_alone}
    for pid, proof in owned.items():
        one = snapshot[pid]
        assert not is_personal(one.argv)
        match proof:
            case Proof.FOLDER:
                assert one.folder == "/app"
            case Proof.NODE:
                assert one.marker == "p.1"
                assert str(one.folder).startswith("/app") or one.argv[1].startswith("/app/")
            case Proof.CHILD:
                assert one.parent in owned
            case Proof.PARENT:
                assert all(child.pid in owned for child in snapshot.values() if child.parent == pid)
            case _:
                pytest.fail(f"{pid}: {proof}")
