"""The route that reports which database the running app is on: `<app>/api/dbswitch/identity/route.ts`.

For the command line: `plan_identity_route(project)`, with `dbswitch.generate.writing` as for the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.generate.project_client import ProjectClient, import_lines, project_client
from dbswitch.generate.style import Style, read_style
from dbswitch.generate.template import fill, read_template
from dbswitch.generate.writing import GeneratedFile, sign
from dbswitch.project.generated import find

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

KIND: Final = "identity"


def plan_identity_route(project: Project) -> GeneratedFile:
    """Return the route as this project needs it.

    Raises:
        ConfigError: the project has no Prisma client that the route could ask.
    """
    style = read_style(project.root)
    known = next((path for path, kind in find(project).files if kind == KIND), None)
    return render(style, project_client(project, style), known)


def render(style: Style, client: ProjectClient, path: str | None = None) -> GeneratedFile:
    """Return the route that asks `client`; `path` None is the usual place. Pure but for the template."""
    path = path or f"{style.app}/api/dbswitch/identity/route.{style.extension}"
    body = fill(
        read_template(f"identity.{style.extension}"),
        {"client": import_lines(client, style, path, ask="databaseIdentity")},
    )
    return sign(KIND, path, body)
