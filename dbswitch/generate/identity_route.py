"""The route that reports which database the running app is on: `<app>/api/dbswitch/identity/route.ts`.

It asks the project's Prisma client: the generated one, or the project's own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.identity import IDENTITY_SQL
from dbswitch.errors import ConfigError
from dbswitch.generate.client import find_client
from dbswitch.generate.existing_client import exported_clients
from dbswitch.generate.style import Style, read_style
from dbswitch.generate.template import fill, read_template
from dbswitch.generate.writing import GeneratedFile, sign
from dbswitch.project import javascript_text
from dbswitch.project.generated import find

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

KIND: Final = "identity"
ANYWHERE: Final = "*"


def plan_identity_route(project: Project) -> GeneratedFile:
    """Return the route as this project needs it. Raises ConfigError without a Prisma client that it could ask."""
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


class ProjectClient(Struct, frozen=True):
    """Where a route gets its client from."""

    path: str  # relative to the project, `/` between
    # The name it is exported by: `default` for the default export, `ANYWHERE` if only the running app can tell, such as
    # a client that is a property of an exported object.
    export: str = "prisma"
    follows: bool = True  # it is the generated client, which reports its identity itself


def project_client(project: Project, style: Style) -> ProjectClient:
    """Return the generated client, else the project's own. Raises ConfigError without one."""
    generated = find(project).client
    if generated is not None:
        return ProjectClient(generated)
    path, text = find_client(project, style)
    if not text:
        raise ConfigError(
            "no route generated: it asks the project's Prisma client, and none was found",
            facts=("searched for lib/prisma, lib/db and similar files",),
            fix="run `dbswitch generate client` first",
        )
    exported = exported_clients(javascript_text.without_comments(text))
    return ProjectClient(path, exported[0] if exported else ANYWHERE, follows=False)


def import_lines(
    client: ProjectClient, style: Style, importer: str, *, ask: str, needs_prisma: bool = False
) -> str:
    """Return the lines that make `ask()` give the identity in the file `importer`, and import `prisma` where asked to."""
    source = json.dumps(style.aliased(importer, client.path))
    if client.follows:
        own = "databaseIdentity" if ask == "databaseIdentity" else f"databaseIdentity as {ask}"
        return f"import {{ {own}{', prisma' if needs_prisma else ''} }} from {source};"
    sql = json.dumps(" ".join(IDENTITY_SQL.split()))
    if client.export == ANYWHERE:
        missing = json.dumps(f"{client.path} exports no Prisma client")
        # The client is recognised by its interface, not by its export name.
        finder = fill(
            read_template(f"own-client.{style.extension}"), {"missing": f"const MISSING = {missing};"}
        )
        lines = [f"import * as exported from {source};", "", finder]
        asked = f"await clientIn(exported).$queryRawUnsafe({sql})"
        if needs_prisma:
            parameter = "sql: string" if style.typescript else "sql"
            lines.append(
                f"const prisma = {{ $queryRawUnsafe: ({parameter}) => clientIn(exported).$queryRawUnsafe(sql) }};"
            )
    else:
        names = {"default": "prisma", "prisma": "{ prisma }"}
        name = names.get(client.export, f"{{ {client.export} as prisma }}")
        lines = [f"import {name} from {source};", ""]
        asked = f"await prisma.$queryRawUnsafe({sql})"
    if style.typescript:
        lines.append(f"const {ask} = async (): Promise<unknown> => (({asked}) as unknown[])[0];")
    else:
        lines.append(f"const {ask} = async () => ({asked})[0];")
    return "\n".join(lines)
