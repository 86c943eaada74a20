"""The generated routes and the admin page: their paths in this project and their text.

`<app>/api/dbswitch/identity/route.ts` reports which database the running app is on, `<app>/api/admin/database/` switches
it, and the page with its client components and the banner is built on that. They ask the project's Prisma client: the
generated one, or the project's own.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.identity import IDENTITY_SQL
from dbswitch.errors import ConfigError
from dbswitch.generate.existing_client import exported_clients
from dbswitch.generate.style import Style, read_style
from dbswitch.generate.writing import GeneratedFile, current_content, fill, is_pristine, read_template, sign
from dbswitch.project import javascript_text
from dbswitch.project.client_in_use import client_in_use
from dbswitch.project.generated import IN_PAGES, find, url_path
from dbswitch.project.packages import installed_folder

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

ANYWHERE: Final = "*"
_EXAMPLE: Final = '"path/of/file.ts#export" or "package#export"'
_ROUTE_FOLDER: Final = "api/admin/database"
_PAGE_FOLDER: Final = "admin/configuration"


def plan_identity_route(project: Project) -> GeneratedFile:
    """Return the route as this project needs it. Raises ConfigError without a Prisma client that it could ask."""
    style = read_style(project.root)
    return identity_route(style, project_client(project), _known(project).get("identity"))


def identity_route(style: Style, client: ProjectClient, path: str | None = None) -> GeneratedFile:
    """Return the route that asks `client`; `path` None is the usual place. Pure but for the template."""
    if path is None and style.pages is not None:
        path = f"{style.pages}/api/dbswitch/identity.{style.extension}"
    path = path or f"{style.app}/api/dbswitch/identity/route.{style.extension}"
    values = {"client": import_lines(client, style, path, ask="databaseIdentity")}
    body = fill(read_template(f"identity.{style.extension}"), values)
    if IN_PAGES.match(path) is not None:
        typed = style.typescript
        body = body.replace(_APP_GET[typed], _PAGES_GET[typed]) + _PAGES_HANDLER[typed]
    return sign("identity", path, body)


def _known(project: Project) -> dict[str, str]:
    """Return the path of each kind of generated file that is there."""
    return {kind: path for path, kind in reversed(find(project).files)}


def plan_admin_route(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the files, without `authorize` where the project changed it. Raises ConfigError without a Prisma client."""
    style = read_style(project.root)
    folder, extension = _route_folder(project, style), style.extension
    paths = {name: f"{folder}/{name}.{extension}" for name in ("route", "server", "command", "authorize")}
    # The four files are in one folder.
    modules = {name: style.relative(paths["route"], path) for name, path in paths.items()}
    client = project_client(project)
    values = {
        "client": import_lines(client, style, paths["server"], ask="ask", needs_prisma=True),
        "migrations": f"const MIGRATIONS = {json.dumps(_migrations(project))};",
    }

    def file(kind: str, name: str, values: dict[str, str]) -> GeneratedFile:
        return sign(kind, paths[name], fill(read_template(f"admin-{name}.{extension}"), values, modules))

    files = (
        file("route", "route", {}),
        file("route-server", "server", values),
        file("route-command", "command", {}),
    )
    known = current_content(project.root / paths["authorize"])
    changed = known is not None and is_pristine(known) is not True
    return files if changed else (*files, file("authorize", "authorize", {}))


def _route_folder(project: Project, style: Style) -> str:
    if style.pages is not None:
        raise ConfigError(
            "not generated: the admin route and page need the App Router",
            facts=(f"this project has {style.pages}/ and no app/ folder",),
            fix="`dbswitch generate route --identity-only` writes a route for the Pages Router, with which a switch is verified",
        )
    known = _known(project).get("route")
    return posixpath.dirname(known) if known else f"{style.app}/{_ROUTE_FOLDER}"


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


def plan_admin_page(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the page's files and the route's. Raises ConfigError without a Prisma client, or if the route has no URL."""
    style, known = read_style(project.root), _known(project)
    plain, component = style.extension, "tsx" if style.typescript else "js"
    route_folder = _route_folder(project, style)
    route = f"{route_folder}/route.{plain}"
    page = known.get("page") or f"{style.app}/{_PAGE_FOLDER}/page.{component}"
    folder = posixpath.dirname(page)
    banner = posixpath.join(style.source, "components", f"database-banner.{component}")
    asked = url_path(route)
    if asked is None:
        raise ConfigError(
            f"no page generated: {route} is not inside the App Router's folder",
            fix="move it back into app/, or delete it and run `dbswitch generate page` again",
        )
    # A page has the URL that a route file in its folder would have.
    shown = url_path(f"{folder}/route.js") or f"/{_PAGE_FOLDER}"
    values = {"route": f"const ROUTE = {json.dumps(asked)};", "page": f"const PAGE = {json.dumps(shown)};"}
    parts = ("api", "run", "style", "switch", "view")
    modules = {name: style.relative(page, f"{folder}/database-{name}") for name in parts}
    modules |= {
        name: style.aliased(page, f"{route_folder}/{name}.{plain}") for name in ("authorize", "server")
    }

    def file(kind: str, path: str, template: str, *names: str) -> GeneratedFile:
        text = fill(read_template(template), {name: values[name] for name in names}, modules)
        return sign(kind, path, text)

    return (
        *plan_admin_route(project),
        file("page", page, f"admin-page.{component}", "route"),
        *(
            file(f"page-{name}", f"{folder}/database-{name}.{extension}", f"admin-{name}.{extension}")
            for extension, names in ((component, ("switch", "run", "view")), (plain, ("api", "style")))
            for name in names
        ),
        file("banner", known.get("banner") or banner, f"admin-banner.{component}", "route", "page"),
    )


_APP_GET: Final = {
    True: "export async function GET(request: Request): Promise<Response> {",
    False: "export async function GET(request) {",
}
_PAGES_GET: Final = {
    True: "async function identity(request: { headers: Headers }): Promise<Response> {",
    False: "async function identity(request) {",
}
# The Pages Router hands over Node's own request and response.
_PAGES_PARAMETERS: Final = {
    True: """
  request: { headers: Record<string, string | string[] | undefined> },
  response: { statusCode: number; setHeader(name: string, value: string): unknown; end(text: string): unknown },
): Promise<void> {""",
    False: "request, response) {",
}
_PAGES_BODY: Final = """
  const headers = new Headers();
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === "string") headers.set(name, value);
  }
  const answered = await identity({ headers });
  response.statusCode = answered.status;
  answered.headers.forEach((value, name) => response.setHeader(name, value));
  response.end(await answered.text());
}
"""
_PAGES_HANDLER: Final = {
    typescript: f"\nexport default async function handler({parameters}{_PAGES_BODY}"
    for typescript, parameters in _PAGES_PARAMETERS.items()
}


class ProjectClient(Struct, frozen=True):
    """Where a route gets its client from."""

    path: str  # relative to the project, `/` between
    # The name it is exported by: `default` for the default export, `ANYWHERE` if only the running app can tell, such as
    # a client that is a property of an exported object; `default.client` for such a property, if `dbswitch.toml` names it.
    export: str = "prisma"
    follows: bool = True  # it is the generated client, which reports its identity itself
    package: bool = False  # `path` is the name of a package


def project_client(project: Project) -> ProjectClient:
    """Return the client that the app uses. Raises ConfigError without one."""
    used = client_in_use(project, find(project))
    named = project.config.verify.client
    if used is None:
        own_engine = project.prisma is not None and project.prisma.has_own_engine
        first = "" if own_engine else "run `dbswitch generate client` first, or "
        raise ConfigError(
            "no route generated: it asks the project's Prisma client, and none was found",
            facts=("searched the project's files for `new PrismaClient`",),
            fix=f"{first}name it in dbswitch.toml: [verify] client = {_EXAMPLE}",
        )
    if named is not None and used.package and installed_folder(project.root, used.path) is None:
        raise ConfigError(
            f"no route generated: {used.path} is neither a file of the project nor an installed package",
            facts=(f"dbswitch.toml: verify.client = {json.dumps(named)}",),
            fix="correct verify.client, or remove it: then the app's own imports decide",
        )
    if used.generated and not used.export:
        return ProjectClient(used.path)
    exported = (
        (used.export,) if used.export else exported_clients(javascript_text.without_comments(used.text))
    )
    return ProjectClient(
        used.path, exported[0] if exported else ANYWHERE, follows=False, package=used.package
    )


def client_advice(project: Project) -> tuple[str, ...]:
    """Say which client the route asks, and which generated one the app does not use."""
    used = client_in_use(project, find(project))
    if used is None:
        return ()
    unused = f"{used.unused} is generated, but no page or route of the app leads to it: `dbswitch generate client` says what to change"
    return (f"the route asks {used}", *((unused,) if used.unused is not None else ()))


def import_lines(
    client: ProjectClient, style: Style, importer: str, *, ask: str, needs_prisma: bool = False
) -> str:
    """Return the lines that make `ask()` give the identity in the file `importer`, and import `prisma` where asked to."""
    source = json.dumps(client.path if client.package else style.aliased(importer, client.path))
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
        exported, _, inside = client.export.partition(".")
        local = "exported" if inside else "prisma"
        names = {"default": local, local: f"{{ {local} }}"}
        name = names.get(exported, f"{{ {exported} as {local} }}")
        lines = [
            f"import {name} from {source};",
            "",
            *([f"const prisma = exported.{inside};"] if inside else ()),
        ]
        asked = f"await prisma.$queryRawUnsafe({sql})"
    if style.typescript:
        lines.append(f"const {ask} = async (): Promise<unknown> => (({asked}) as unknown[])[0];")
    else:
        lines.append(f"const {ask} = async () => ({asked})[0];")
    return "\n".join(lines)
