"""One run of a command that changes something: its events, signals, lock and result, and the context of its steps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from dbswitch.errors import DbswitchError, InterruptedSwitchError, interruption_behind
from dbswitch.project import reader_profiles
from dbswitch.server import log
from dbswitch.switch import project_state
from dbswitch.switch.events import Phase, Started
from dbswitch.switch.interrupts import Interrupts
from dbswitch.switch.pending_result import PendingResult
from dbswitch.switch.reporter import Reporter
from dbswitch.switch.run_context import Work
from dbswitch.switch.run_lock import hold
from dbswitch.switch.switch_record import RecordFile
from dbswitch.switch.switch_steps import Apply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from dbswitch.envfiles.placement import EditPlan
    from dbswitch.project.discovery import Project
    from dbswitch.switch.events import Event, Result
    from dbswitch.switch.lock_file import Lease
    from dbswitch.switch.project_state import Observed
    from dbswitch.switch.recovery import Recovered


@dataclass(frozen=True, slots=True)
class Session:
    """What every command that changes something works with."""

    project: Project
    reporter: Reporter
    interrupts: Interrupts
    ending: PendingResult

    def locked(self, target: str) -> AbstractContextManager[tuple[Lease, Recovered]]:
        """Hold the lock for the block, after finishing what a killed run left; raises as `hold`."""
        return hold(self.project, self.reporter, target=target)

    def observe(self, *, ask: bool = True, verify_later: bool = False) -> Observed:
        """Observe the project; raises as :func:`dbswitch.switch.project_state.look`."""
        with self.reporter.phase(Phase.OBSERVE) as note:
            observed = project_state.look(self.project, ask=ask, verify_later=verify_later)
            self.ending.previous = observed.previous
            note.detail = f"on {observed.previous or 'no known target'}, server {observed.server.state.value}"
        return observed

    def apply(
        self,
        observed: Observed,
        *,
        ambient: Mapping[str, str],
        server_owed: bool = False,
        take_port: bool = False,
        extra: Mapping[str, str] = MappingProxyType({}),
        edits: EditPlan | None = None,
    ) -> Apply:
        """Return the steps of this run.

        Args:
            observed: the project and its server as they are.
            ambient: the caller's environment, for a server that has no living one's to start from.
            server_owed: a killed run stopped a server and did not start it again.
            take_port: end a foreign process on the needed port.
            extra: what the next server gets besides the cleaned environment.
            edits: the new env files, where the run changes them.
        """
        # A server that is switched hot for weeks never gets to the rotation at a start.
        log.rotate(observed.spec.log_path)
        work = Work(
            project=self.project,
            state_dir=self.project.state_dir,
            private_dir=self.project.private_dir,
            spec=observed.spec,
            observed=observed.server,
            launch=project_state.launch_environment(observed, ambient),
            env_file_keys=observed.env_file_keys,
            target_keys=observed.target_keys,
            profiles=reader_profiles.profiles(self.project),
            target=self.ending.target,
            route=observed.route,
            take_port=take_port,
            extra=extra,
            reporter=self.reporter,
            interrupts=self.interrupts,
            record=RecordFile(self.project.private_dir),
            present=project_state.present_urls(observed),
            previous=observed.previous,
        )
        if edits is None:
            return Apply(work, server_owed=server_owed)
        return Apply(work, project_state.changes(observed, edits), gone=edits.gone, server_owed=server_owed)


def carry_out(
    project: Project,
    emit: Callable[[Event], None],
    body: Callable[[Session], None],
    *,
    run_id: str,
    target: str = "",
    keep: Callable[[Result], None] = lambda _result: None,
) -> Result:
    """Do `body` with signals turned into errors, and return the result, which is also the last event.

    `keep` is given the result before it is emitted. Other exceptions than expected failures propagate.
    """
    reporter, ending = Reporter(emit, run_id), PendingResult(target)
    with Interrupts(on_ignored=lambda: reporter.notice("rolling-back", "still rolling back")) as interrupts:
        reporter.emit(Started(run_id, target, time.time()))
        try:
            try:
                body(Session(project, reporter, interrupts, ending))
            finally:
                interrupts.settle()  # only the report is left, which a signal must not interrupt
        except DbswitchError as error:
            ending.error = error
        except InterruptedSwitchError as error:
            ending.error = error
            error.facts = error.facts or ("nothing was changed",)
        except Exception as error:
            ending.error = interruption_behind(error)
            if ending.error is None:
                raise
        result = ending.result(reporter)
        keep(result)
        emit(result)
        return result
