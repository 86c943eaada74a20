"""Ask the identity route once outside of a run, so that a route that cannot ask is known before it is needed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dbswitch.project import generated, server_launch
from dbswitch.server import observation
from dbswitch.server.http_requests import base_path
from dbswitch.switch.identity_request import IdentityAnswer, IdentityQuestion, ask, connect, read_token
from dbswitch.switch.plan import is_running

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project
    from dbswitch.server.spec import ServerSpec
    from dbswitch.switch.identity_request import Said

_PAUSE: Final = 0.25  # seconds; a new file is noticed within 0.1 s (Next.js 16)
_UNNOTICED: Final = 5.0  # seconds after which a 404 is an answer


def route_of(project: Project, found: generated.Generated, spec: ServerSpec) -> str | None:
    """Return the URL path that reports which database the app is on; None where there is none."""
    if project.config.verify.path is not None:
        return project.config.verify.path
    return None if found.identity_path is None else base_path(spec) + found.identity_path


def try_route(project: Project) -> Said | None:
    """Return what the running app answers now; None where no server runs or there is no route."""
    spec = server_launch.build(project)
    server = observation.observe(spec)
    route = route_of(project, generated.find(project), spec)
    if route is None or server.url is None or not is_running(server.state):
        return None
    question = IdentityQuestion(server.url, route, read_token(project.state_dir), None)
    began = time.monotonic()
    limit = project.config.verify.restart_deadline  # it may have to be compiled for the first time
    while True:
        asked = time.monotonic() - began
        said = ask(question, connect(question, max(1.0, limit - asked)))
        unnoticed = said.answer is IdentityAnswer.NO_ROUTE and asked < _UNNOTICED
        if not unnoticed or asked >= limit:
            return said
        time.sleep(_PAUSE)
