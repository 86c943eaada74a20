"""The admin route: `<app>/api/admin/database/route.ts` and the three files beside it."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.errors import ConfigError
from dbswitch.generate.identity_route import ProjectClient, import_lines, project_client
from dbswitch.generate.style import Style, read_style
from dbswitch.generate.template import fill, read_template
from dbswitch.generate.writing import GeneratedFile, current_content, is_pristine, sign
from dbswitch.project.generated import find

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

KIND: Final = "route"
SERVER: Final = "route-server"
COMMAND: Final = "route-command"
AUTHORIZE: Final = "authorize"
_FOLDER: Final = "api/admin/database"


class RouteFacts(Struct, frozen=True):
    """The inputs of the route's text. Paths are relative to the project, `/` between."""

    style: Style
    folder: str  # where the files go
    client: ProjectClient  # what the route asks
    migrations: str = "prisma/migrations"  # the folder of Prisma's migrations

    @property
    def route(self) -> str:
        """The path of the route file."""
        return f"{self.folder}/route.{self.style.extension}"

    @property
    def authorize(self) -> str:
        """The path of the file that the project may change."""
        return f"{self.folder}/authorize.{self.style.extension}"

    @property
    def server(self) -> str:
        """The path of the file that the route and the page are built on."""
        return f"{self.folder}/server.{self.style.extension}"


def plan_admin_route(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the files, without `authorize` where the project changed it. Raises ConfigError without a Prisma client."""
    facts = route_facts(project)
    files = render(facts)
    known = current_content(project.root / facts.authorize)
    changed = known is not None and is_pristine(known) is not True
    return tuple(file for file in files if file.kind != AUTHORIZE or not changed)


def render(facts: RouteFacts) -> tuple[GeneratedFile, ...]:
    """Return the files for `facts`. Pure but for the templates."""
    style = facts.style
    extension = style.extension
    command = f"{facts.folder}/command.{extension}"
    # The four files are in one folder.
    modules = {
        "authorize": style.relative(facts.route, facts.authorize),
        "server": style.relative(facts.route, facts.server),
        "command": style.relative(facts.route, command),
    }
    values = {
        "client": import_lines(facts.client, style, facts.server, ask="ask", needs_prisma=True),
        "migrations": f"const MIGRATIONS = {json.dumps(facts.migrations)};",
    }
    return (
        sign(KIND, facts.route, fill(read_template(f"admin-route.{extension}"), {}, modules)),
        sign(SERVER, facts.server, fill(read_template(f"admin-server.{extension}"), values, modules)),
        sign(COMMAND, command, read_template(f"admin-command.{extension}")),
        sign(AUTHORIZE, facts.authorize, fill(read_template(f"admin-authorize.{extension}"), {}, modules)),
    )


def route_facts(project: Project) -> RouteFacts:
    """Read the project. Raises ConfigError as :func:`plan_admin_route` does."""
    style = read_style(project.root)
    if style.pages is not None:
        raise ConfigError(
            "not generated: the admin route and page need the App Router",
            facts=(f"this project has {style.pages}/ and no app/ folder",),
            fix="`dbswitch generate route --identity-only` writes a route for the Pages Router, with which a switch is verified",
        )
    found = find(project)
    known = next((path for path, kind in found.files if kind == KIND), None)
    folder = posixpath.dirname(known) if known else f"{style.app}/{_FOLDER}"
    return RouteFacts(
        style=style,
        folder=folder,
        client=project_client(project),
        migrations=_migrations(project),
    )


def _migrations(project: Project) -> str:
    """Return the folder: beside the schema file, or in or beside the schema folder."""
    schema = project.prisma.schema if project.prisma is not None else None
    if schema is None:
        return "prisma/migrations"
    around = [posixpath.dirname(schema)]
    if (project.root / schema).is_dir():
        around.insert(0, schema)
    places = [posixpath.join(folder, "migrations") for folder in around]
    return next((place for place in places if (project.root / place).is_dir()), places[-1])
