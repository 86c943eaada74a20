"""Ask the app which database it is on, within a run: before a switch, after it, and again after a rollback."""

from __future__ import annotations

import contextlib
import os
import queue
from functools import partial

from msgspec.structs import replace

from dbswitch.database.identity import Identity
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.errors import DbswitchError, ServerError, UrlError
from dbswitch.project import generated, server_launch
from dbswitch.project.client_in_use import asks_elsewhere, own_choices
from dbswitch.project.discovery import Project
from dbswitch.project.generated import Generated
from dbswitch.server import observation
from dbswitch.server.observation import find
from dbswitch.switch.database_start import Destination, probe
from dbswitch.switch.events import Phase
from dbswitch.switch.identity_request import (
    NOT_ASKABLE,
    IdentityAnswer,
    IdentityQuestion,
    Said,
    ask_in_background,
    read_token,
    verify,
)
from dbswitch.switch.old_connections import remaining
from dbswitch.switch.plan import is_running
from dbswitch.switch.project_state import Observed, exported_instead, route_of
from dbswitch.switch.session import Reporter

EARLIER = 1.0  # seconds that a switch waits for the app's answer from before, beyond the time of the probe
AGAIN_DEADLINE = 5.0  # seconds to identify the previous database after a rollback


class AppIdentity:
    """The app's answers about its database during one run."""

    def __init__(self, observed: Observed, reporter: Reporter) -> None:
        self._observed = observed
        self._reporter = reporter
        self._answers: queue.SimpleQueue[Said] | None = None
        self._earlier: Said | None = None

    def ask_earlier(self) -> None:
        """Ask the app in the background where it is now; its later answers are compared with this one."""
        seen = self._observed.server
        if self._observed.route is not None and seen.url is not None and is_running(seen.state):
            self._answers = queue.SimpleQueue()
            timeout = self._observed.project.config.verify.hot_deadline
            ask_in_background(self._question(seen.url, None), timeout, self._answers)

    def earlier(self, seconds: float = 0.0) -> Said | None:
        """Return the answer to :meth:`ask_earlier`, waiting at most `seconds`; None if there is none."""
        if self._answers is not None and self._earlier is None:
            with contextlib.suppress(queue.Empty):
                self._earlier = self._answers.get(timeout=seconds)
        return self._earlier

    def await_earlier(self, seconds: float) -> None:
        """Wait at most `seconds` for the answer to :meth:`ask_earlier`."""
        if self._answers is not None and self.earlier() is None:
            with self._reporter.phase(Phase.BASELINE) as note:
                note.detail = "" if self.earlier(seconds) else "no answer yet"

    def verify(self, goal: Destination, expected: Identity, *, started: str = "") -> Said | None:
        """Ask the app which database it is on; None where it cannot be asked (no route, no server).

        `started` is the URL of a server that has just been started, so that everything has to be compiled.
        """
        url = started or self._observed.server.url
        if self._observed.route is None or url is None:
            why = "the project has no identity route" if url else "no server to ask"
            self._reporter.skip(Phase.VERIFY, why)
            return None
        question = self._question(url, expected, f"{goal.target.name}: {goal.target.url.place}")
        with self._reporter.phase(Phase.VERIFY) as note:
            said = self._ask(question, Phase.VERIFY, started=bool(started))
            if said.seen is not None and said.seen.restart_of(expected):
                # The database itself was restarted after it had been probed: compare with what it is now.
                again = replace(question, expected=probe(goal, self._reporter, Phase.REPROBE).identity)
                said = self._ask(again, Phase.VERIFY, started=bool(started))
            note.detail = said.detail
        return said

    def require(self, said: Said | None, goal: Destination) -> None:
        """Raise ServerError if the app is provably not on the target after a restart; say so if it could not be asked."""
        if said is None or said.verified:
            return
        if said.answer in NOT_ASKABLE:
            self._reporter.notice("not-asked", said.detail, "warning")
            return
        project, what = self._observed.project, "the app is not on the target after the restart"
        facts: tuple[str, ...] = (f"asked for {said.seconds:.1f} s",)
        why = "a switch is complete only when the app itself answers from the new database"
        fix = "see `dbswitch logs`, fix the app, and switch again"
        if said.answer is IdentityAnswer.OTHER:
            server = observation.observe(self._observed.spec, ask=False)
            if exported := exported_instead(server, goal.target, goal.target.variables):
                what, facts = f"{what}: its dev script exports other values", (exported,)
                why = "the script takes them from a file that the switch did not change"
                fix = "remove these variables from the file that the script loads, or let it start Next.js without that file"
            elif chosen := own_choices(project.root, project.url_variables):
                what, facts = f"{what}: it chooses its database itself", chosen
                why = "a switch changes the env files; an app that reads another variable or file does not follow it"
                fix = f"read {project.primary_variable} in these places, or let `dbswitch generate client` write the client"
        raise ServerError(what, facts=(said.detail, *facts), why=why, fix=fix)

    def old_connections(self, goal: Destination) -> str | None:
        """Return why the app may still be connected to the old database after a hot switch; None where it is not."""
        new = [goal.target.url]
        for key, value in goal.target.variables.items():
            with contextlib.suppress(UrlError):
                new.append(DatabaseUrl.parse(value, name=key))
        seen = self._observed
        grace = seen.project.config.switch.drain_timeout
        return remaining(lambda: find(seen.spec), seen.present, new, grace=grace)

    def ask_after_rollback(self, *, restarted: bool) -> str:
        """Say whether the app answers from its previous database, or that of the env files, if it told none. Raises ServerError."""
        earlier, present = self.earlier(), self._observed.present
        url = observation.observe(self._observed.spec, ask=False).url
        if self._observed.route is None or url is None:
            return ""
        unknown = "it is not known which database the app is on"
        before = earlier.seen if earlier is not None else None
        if before is None and not present:
            return f"{unknown}: the env files name no database"
        try:
            expected = before or wait_until_ready(present[0], ProbeLimits(deadline=AGAIN_DEADLINE)).identity
        except DbswitchError as error:
            return f"{unknown}: {error.what}"
        said = self._ask(self._question(url, expected, self._origin), Phase.ROLLBACK, started=restarted)
        if said.on_target:
            return f"everything is as it was: {said.detail}"
        if said.answer is not IdentityAnswer.OTHER:
            return f"{unknown}: {said.detail}"
        if before is None or (said.seen is not None and said.seen.restart_of(before)):
            return f"{said.detail}; its database before the switch is not known"
        raise ServerError("the app is not on its previous database", facts=(said.detail,))

    @property
    def _origin(self) -> str:
        place = self._observed.present[0].place if self._observed.present else "its previous database"
        return place if self._observed.previous is None else f"{self._observed.previous}: {place}"

    def _question(self, url: str, expected: Identity | None, target: str = "") -> IdentityQuestion:
        earlier = self.earlier()
        origin = None if earlier is None or earlier.seen is None else (self._origin, earlier.seen)
        token = read_token(self._observed.project.state_dir)
        return IdentityQuestion(url, self._observed.route or "", token, expected, target, origin)

    def _ask(self, question: IdentityQuestion, phase: Phase, *, started: bool) -> Said:
        project, earlier = self._observed.project, self.earlier()
        limits = project.config.verify
        elsewhere = {IdentityAnswer.NO_ROUTE, IdentityAnswer.SILENT}  # Next.js answered in place of the route
        said = verify(
            question,
            deadline=limits.restart_deadline if started else limits.hot_deadline,
            route_answered=earlier is not None and earlier.answer not in elsewhere,
            on_wait=partial(self._reporter.waiting, phase),
            on_missing=partial(_touch_routes, project, self._observed.generated),
        )
        if said.fails_like(earlier):
            detail = f"{said.detail}, as before the switch"
            return replace(said, answer=IdentityAnswer.CANNOT_ASK, detail=detail)
        if said.verified and (other := asks_elsewhere(project, self._observed.generated)):
            detail = f"{said.detail}, but {other}; `dbswitch generate route` corrects that"
            return replace(said, answer=IdentityAnswer.INCOMPLETE, detail=detail)
        return said


def _touch_routes(project: Project, found: Generated) -> None:
    """Make Next.js collect its routes again."""
    # A server that scans its folders while the machine is busy may go on without some of them, and answers 404 there until a
    # file changes (vercel/next.js issues 98985 and 96470, mended by pull request 97920 of August 2026).
    for name in found.identity_files:
        with contextlib.suppress(OSError):
            os.utime(project.root / name, follow_symlinks=False)


def try_route(project: Project) -> Said | None:
    """Ask outside of a run; None where no server runs or there is no route."""
    spec = server_launch.build(project)
    server = observation.observe(spec)
    found = generated.find(project)
    route = route_of(project, found, spec)
    if route is None or server.url is None or not is_running(server.state):
        return None
    question = IdentityQuestion(server.url, route, read_token(project.state_dir), None)
    deadline = project.config.verify.restart_deadline  # it may have to be compiled
    return verify(question, deadline=deadline, on_missing=partial(_touch_routes, project, found))
