"""Every step that can fails, with every compensation that can fail after it: the table of `docs/architecture.md`, row by row.

The effects are fakes that keep the state of one env file and one server.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dbswitch import durable
from dbswitch.errors import (
    DatabaseNotReadyError,
    DbswitchError,
    EnvFileError,
    InterruptedSwitchError,
    OvertakenError,
    PortTakenError,
    ReportedError,
    RollbackFailedError,
    ServerError,
)
from dbswitch.server.state import ServerState
from dbswitch.switch import run, switch_steps as steps
from dbswitch.switch.events import Phase, PhaseChanged, Result
from dbswitch.switch.identity_request import IdentityAnswer, Said
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.plan import Mode
from dbswitch.switch.recovery import SwitchRecord, read_record, write_record
from dbswitch.switch.session import Reporter, Request
from dbswitch.switch.switch_steps import Apply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.switch.events import Event
    from dbswitch.switch.project_state import Observed
    from dbswitch.switch.session import Session

Execute = Callable[..., tuple[BaseException | None, Apply]]
PAGE = Path(__file__).parents[2] / "docs" / "architecture.md"
HEADING = "## When a step fails"
FALLBACK = "hot switch going on as a restart"
NOTHING = "-"


def table() -> Iterator[tuple[str, str, str, str]]:
    """Yield run, step, what fails on the way back, and the expected cell."""
    lines = PAGE.read_text().partition(HEADING)[2].partition("\n## ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    for row in rows[2:]:
        for column, cell in zip(rows[0][2:], row[2:], strict=True):
            if cell != NOTHING:
                yield row[0], row[1], column, cell


class World:
    """One env file and one server, and what goes wrong."""

    def __init__(self, kind: str, step: str, way_back: str, failure: BaseException | None = None) -> None:
        self.kind, self.step, self.way_back, self.failure = kind, step, way_back, failure
        self.files = "previous"
        self.server = "none" if kind == "dev" else "untouched"
        self.starts = 0
        self.back = False

    def emit(self, event: Event) -> None:
        if isinstance(event, PhaseChanged) and event.phase is Phase.ROLLBACK:
            self.back = True

    def may_fail(self, step: str, error: BaseException) -> None:
        if not self.back and self.step == step:
            raise error if self.failure is None else self.failure

    def may_fail_back(self, what: str, error: BaseException) -> None:
        if self.back and self.way_back == what:
            raise error

    # the fakes of the server's modules

    def observe(self, _spec: object, *, ask: bool = True) -> Any:
        state = {"untouched": ServerState.READY, "half": ServerState.HALF_DEAD}
        return SimpleNamespace(
            state=state.get(self.server, ServerState.STOPPED), port=3000, url=None, foreign=(), top=None
        )

    def stop(self, *_arguments: object, **_options: object) -> Any:
        self.may_fail("stop, which still answers", ServerError("cannot stop it"))
        if self.server == "untouched":
            self.server = "half"
        self.may_fail("stop", ServerError("cannot stop it"))
        if self.server == "new":
            self.may_fail_back("the new server is not stopped", ServerError("cannot stop the new one"))
        self.server = "down" if self.kind != "dev" else "none"
        return SimpleNamespace(summary="stopped", stopped=(1,), left_alone=())

    def require_ports_free(self, *_arguments: object, **_options: object) -> str:
        self.may_fail("ports", PortTakenError("taken"))
        return "free"

    def start(self, *_arguments: object, **_options: object) -> Any:
        self.may_fail("start", ServerError("cannot start"))
        self.may_fail_back("the old server does not start", ServerError("cannot start the old one"))
        self.server = "restarted" if self.back else "new"
        return SimpleNamespace(url="http://localhost:3000", port=3000, pid=1)

    def wait_ready(self, _spec: object, running: object, **_options: object) -> Any:
        self.may_fail("answer", ServerError("it died"))
        return SimpleNamespace(status=200, failing=False, running=running)

    def start_port(self, *_arguments: object) -> int:
        return 3000

    def remove_lock_if_free(self, _spec: object) -> bool:
        return False

    # the fakes of `transaction` and `effective_values`

    def apply(self, *_arguments: object) -> None:
        self.may_fail("write", EnvFileError("nothing written"))
        if self.step == "write, half of it":
            self.files = "mixed"
        self.may_fail(
            "write, half of it", RollbackFailedError("half written", facts=("The journal is kept",))
        )
        self.files = "new"

    def roll_back(self, *_arguments: object) -> tuple[Path, ...]:
        error = RollbackFailedError if self.files == "mixed" else EnvFileError
        self.may_fail_back("the env files are not put back", error("cannot put them back"))
        self.files = "previous"
        return ()

    def verify_on_disk(self, *_arguments: object) -> tuple[str, ...]:
        self.may_fail("read again", EnvFileError("a reader disagrees"))
        return ()

    # the database and the app

    def probe(self, *_arguments: object) -> Any:
        self.may_fail("probe", DatabaseNotReadyError("not ready"))
        self.may_fail("reprobe", DatabaseNotReadyError("gone"))
        return SimpleNamespace(identity=None)

    def verify(self, *_arguments: object, started: str = "") -> Said:
        if not started and self.kind == FALLBACK:
            return Said(IdentityAnswer.OTHER, "still on the old one")
        return Said(IdentityAnswer.SAME, "on it")

    def require(self, _verification: object, _goal: object) -> None:
        self.may_fail("verify", ServerError("not on the target"))

    def await_earlier(self, _seconds: float) -> None:
        return None

    def old_connections(self, _goal: object) -> None:
        return None

    def ask_after_rollback(self, *, restarted: bool) -> str:
        return ""


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Execute:
    def body(apply: Apply, world: World) -> None:
        goal = cast("Any", SimpleNamespace(target=SimpleNamespace(variables={})))
        world.may_fail("overtaken", OvertakenError("a newer request"))
        match world.kind:
            case "restart switch":
                run.probe(goal, apply.reporter, Phase.PROBE) if world.step == "probe" else None
                run._restart(apply, goal)
            case "hot switch" | "hot switch going on as a restart":
                plan = SimpleNamespace(mode=Mode.HOT, unchanged=False, verify=True)
                run._keep_running(
                    apply, cast("Any", SimpleNamespace(plan=plan, goal=goal)), cast("Any", None)
                )
            case _:
                apply.stop_server()
                apply.start_server()

    def carried_out(world: World, *, server_owed: bool = False) -> tuple[BaseException | None, Apply]:
        for name in ("observation", "starting", "stopping", "transaction", "effective_values"):
            monkeypatch.setattr(steps, name, world)
        monkeypatch.setattr(run, "probe", world.probe)
        monkeypatch.setattr(steps, "require_startable", lambda *_, **_options: None)
        monkeypatch.setattr(steps.reader_profiles, "profiles", lambda _project: ())
        monkeypatch.setattr(Apply, "_environment", lambda _self: SimpleNamespace(removed=()))
        state = ServerState.STOPPED if world.kind == "dev" else ServerState.READY
        limits = SimpleNamespace(hot_deadline=0.0)
        observed = SimpleNamespace(
            project=SimpleNamespace(
                root=tmp_path, config=SimpleNamespace(verify=limits), private_dir=tmp_path
            ),
            spec=SimpleNamespace(ready_path="/", log_path=tmp_path / "server.log"),
            server=SimpleNamespace(
                state=state,
                port=3000,
                url="http://localhost:3000",
                foreign=(),
                processes=(),
                by_us=True,
                launch_env=dict,
                top=None,
            ),
            previous="local",
            route=None,
        )
        session = SimpleNamespace(
            request=Request("prod", "id"),
            reporter=Reporter(world.emit, "id"),
            interrupts=Interrupts(),
            ending=Result("id", target="prod"),
            project=observed.project,
        )
        apply = Apply(cast("Session", session), cast("Observed", observed), server_owed=server_owed)
        apply.app = cast("Any", world)
        try:
            with apply.undone_on_failure():
                body(apply, world)
        except (ReportedError, ZeroDivisionError) as error:
            return error, apply
        return None, apply

    return carried_out


def state_of(world: World, error: DbswitchError) -> str:
    return f"{error.exit_code}, {world.files}, {world.server}"


@pytest.mark.parametrize(("kind", "step", "way_back", "cell"), list(table()))
def test_a_failure_ends_as_the_table_says(
    execute: Execute,
    tmp_path: Path,
    kind: str,
    step: str,
    way_back: str,
    cell: str,
) -> None:
    world = World(kind, step, way_back)
    error, apply = execute(world)
    assert isinstance(error, DbswitchError)
    assert state_of(world, error) == cell
    # What a later command needs to finish the work is kept exactly where there is work left; `dev` had no server before.
    assert bool(apply.undo.parts) == (error.exit_code == 8)
    assert (tmp_path / SwitchRecord.FILE).exists() == (error.exit_code == 8 and kind != "dev")
    if error.exit_code == 8:
        assert "`dbswitch restart`" in error.fix
        assert ("some env files" in error.why) == (world.files == "mixed")
        assert ("the dev server is down" in error.why) == (world.server in {"down", "half"})
    else:
        said = " ".join(error.facts)
        assert "journal" not in said
        assert ("runs again" in said) == (cell == "7, previous, restarted")


@pytest.mark.parametrize(
    ("kind", "step", "cell"),
    [row[:2] + row[3:] for row in table() if row[2] == "everything is rolled back" and "half" not in row[1]],
)
def test_an_interruption_at_a_step_ends_as_its_failure_does_with_the_code_of_the_signal(
    execute: Execute, kind: str, step: str, cell: str
) -> None:
    interrupted = InterruptedSwitchError()
    world = World(kind, step, "", interrupted)
    error, _ = execute(world)
    assert error is interrupted
    _, files, server = cell.split(", ")
    if step == "stop, which still answers":  # it has got a TERM, or is about to get one
        server = "restarted"
    if (kind, step) == ("hot switch", "write"):
        assert world.files == "previous"
    assert (world.files, world.server) == (files, server)


@pytest.mark.parametrize("kind", ["restart switch", "hot switch", FALLBACK, "restart", "dev"])
def test_a_run_without_a_failure_takes_nothing_back_and_leaves_no_record(
    execute: Execute, tmp_path: Path, kind: str
) -> None:
    world = World(kind, "", "")
    error, _ = execute(world)
    assert error is None
    assert not world.back
    assert world.files == ("new" if "switch" in kind else "previous")
    assert world.server == ("untouched" if kind == "hot switch" else "new")
    assert not (tmp_path / SwitchRecord.FILE).exists()


def test_a_bug_on_the_way_back_of_an_interrupted_run_stays_a_bug(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbswitch.errors import interruption_behind

    def broken(*_arguments: object) -> tuple[Path, ...]:
        raise ZeroDivisionError

    world = World("restart switch", "reprobe", "", InterruptedSwitchError())
    monkeypatch.setattr(world, "roll_back", broken)
    error, apply = execute(world)
    assert isinstance(error, ZeroDivisionError)
    assert interruption_behind(error) is None
    assert error.__notes__ == ["during the rollback after InterruptedSwitchError"]
    assert apply.undo.parts  # the record stays: a later command finishes it


def test_a_switch_that_is_overtaken_leaves_the_debt_of_a_killed_one_and_a_server_started_by_hand_alone(
    execute: Execute, tmp_path: Path
) -> None:
    killed = SwitchRecord("earlier", "prod", "local", server_down=True)
    write_record(tmp_path, killed)
    world = World("restart switch", "overtaken", "")
    error, _ = execute(world, server_owed=True)
    assert isinstance(error, OvertakenError)
    assert (world.files, world.server, world.back) == ("previous", "untouched", False)
    assert read_record(tmp_path, SwitchRecord) == killed


@pytest.mark.parametrize("kind", ["restart switch", FALLBACK])
def test_no_server_is_taken_down_that_the_record_does_not_name(
    execute: Execute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write = durable.replace_file

    def full(path: Path, content: bytes) -> None:
        if b'"server_down":true' in content:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(durable, "replace_file", full)
    world = World(kind, "", "")
    error, _ = execute(world)
    assert isinstance(error, DbswitchError)
    assert (world.files, world.server) == ("previous", "untouched")
    assert not (tmp_path / SwitchRecord.FILE).exists()
