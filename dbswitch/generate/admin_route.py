"""The admin route: `<app>/api/admin/database/route.ts` and the two files beside it.

For the command line: `plan_admin_route(project)`, with `dbswitch.generate.writing` as for the client.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dbswitch.database.identity import IDENTITY_SQL
from dbswitch.errors import ConfigError
from dbswitch.generate.client import find_client
from dbswitch.generate.header import GeneratedFile, is_pristine, sign
from dbswitch.generate.style import Style, read_style
from dbswitch.generate.template import fill, read_template
from dbswitch.project.generated import find

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

KIND: Final = "route"
SERVER: Final = "route-server"
AUTHORIZE: Final = "authorize"
_FOLDER: Final = "api/admin/database"
_DEFAULT_EXPORT: Final = re.compile(r"^export\s+default\b|^export\s*\{[^}]*\bas\s+default\b", re.MULTILINE)
_NAMED_EXPORT: Final = re.compile(
    r"^export\s+(?:const|let|var)\s+(?P<name>\w+)\b[^;]*?\bprisma", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """All that the text of the route depends on. Paths are relative to the project, `/` between.

    Attributes:
        folder: where the files go.
        client: the file that exports the Prisma client.
        export: the name it exports it by: `default` for the default export.
        follows: it is the generated client, which knows its identity itself.
        migrations: the folder of Prisma's migrations.
    """

    style: Style
    folder: str
    client: str
    export: str = "prisma"
    follows: bool = True
    migrations: str = "prisma/migrations"

    @property
    def route(self) -> str:
        """The path of the route file."""
        return f"{self.folder}/route.{self.style.extension}"

    @property
    def authorize(self) -> str:
        """The path of the file that is the project's own to change."""
        return f"{self.folder}/authorize.{self.style.extension}"

    @property
    def server(self) -> str:
        """The path of the file that the route and the page stand on."""
        return f"{self.folder}/server.{self.style.extension}"


def plan_admin_route(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the files as this project needs them; without `authorize` where the project has changed it.

    Raises:
        ConfigError: the project has no Prisma client that the route could ask.
    """
    facts = route_facts(project)
    files = render(facts)
    if _is_changed(project, facts.authorize):
        return tuple(file for file in files if file.kind != AUTHORIZE)
    return files


def render(facts: RouteFacts) -> tuple[GeneratedFile, ...]:
    """Return the files for `facts`. Pure but for the templates."""
    style = facts.style
    here = facts.route
    route = fill(
        read_template(f"admin-route.{style.extension}"),
        {
            "authorize": f"import {{ authorize }} from {_quoted(style.relative(here, facts.authorize))};",
            "server": _server_import(style.relative(here, facts.server)),
        },
    )
    server = fill(
        read_template(f"admin-server.{style.extension}"),
        {
            "client": _client_import(facts),
            "migrations": f"const MIGRATIONS = {_quoted(facts.migrations)};",
        },
    )
    authorize = fill(
        read_template(f"admin-authorize.{style.extension}"),
        {"server": f"import {{ tokenMatches }} from {_quoted(style.relative(here, facts.server))};"},
    )
    return (
        sign(KIND, facts.route, route),
        sign(SERVER, facts.server, server),
        sign(AUTHORIZE, facts.authorize, authorize),
    )


def route_facts(project: Project) -> RouteFacts:
    """Look at the project. Raises ConfigError as :func:`plan_admin_route` does."""
    style = read_style(project.root)
    found = find(project)
    known = next((path for path, kind in found.files if kind == KIND), None)
    folder = posixpath.dirname(known) if known else f"{style.app}/{_FOLDER}"
    client, export = (found.client, "prisma") if found.client else _own_client(project, style)
    return RouteFacts(
        style=style,
        folder=folder,
        client=client,
        export=export,
        follows=found.client is not None,
        migrations=_migrations(project),
    )


def _own_client(project: Project, style: Style) -> tuple[str, str]:
    """Return the file and the export of a client that the project made itself."""
    path, text = find_client(project, style)
    named = _NAMED_EXPORT.search(text)
    if named is not None:
        return path, named["name"]
    if _DEFAULT_EXPORT.search(text):
        return path, "default"
    raise ConfigError(
        "no route generated: it asks the project's Prisma client, and none was found",
        facts=("looked for lib/prisma, lib/db and the like",),
        fix="run `dbswitch generate client` first",
    )


def _client_import(facts: RouteFacts) -> str:
    source = _quoted(facts.style.aliased(facts.server, facts.client))
    if facts.follows:
        return f"import {{ databaseIdentity as ask, prisma }} from {source};"
    match facts.export:
        case "default":
            names = "prisma"
        case "prisma":
            names = "{ prisma }"
        case name:
            names = f"{{ {name} as prisma }}"
    asked = f"await prisma.$queryRawUnsafe({_quoted(' '.join(IDENTITY_SQL.split()))})"
    lines = [f"import {names} from {source};", ""]
    if facts.style.typescript:
        lines.append(f"const ask = async (): Promise<unknown> => (({asked}) as unknown[])[0];")
    else:
        lines.append(f"const ask = async () => ({asked})[0];")
    return "\n".join(lines)


def _server_import(module: str) -> str:
    names = "identity, isOpen, isSameOrigin, overview, run, start, status, tokenMatches, tooMany"
    return f"import {{ {names} }} from {_quoted(module)};"


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


def _is_changed(project: Project, path: str) -> bool:
    try:
        return is_pristine((project.root / path).read_bytes()) is not True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{path} cannot be read", facts=(error.strerror or "",)) from None


def _quoted(text: str) -> str:
    return json.dumps(text)
