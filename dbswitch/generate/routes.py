"""The generated routes and the admin page: their paths in this project and their text. They ask the app's Prisma client."""

from __future__ import annotations

import json
import posixpath
from typing import Final

from dbswitch.database.identity import IDENTITY_SQL
from dbswitch.errors import ConfigError
from dbswitch.generate.existing_client import exported_clients
from dbswitch.generate.source_layout import SourceLayout, read_layout
from dbswitch.generate.writing import OWN, GeneratedFile, current_content, fill, read_template, sign
from dbswitch.project import javascript_text
from dbswitch.project.client_in_use import ClientInUse, client_in_use
from dbswitch.project.discovery import Project
from dbswitch.project.generated import IN_PAGES, find, generated_state, url_path
from dbswitch.project.packages import installed_folder

_EXAMPLE: Final = '"path/of/file.ts#export" or "package#export"'
_ROUTE_FOLDER: Final = "api/admin/database"
_PAGE_FOLDER: Final = "admin/configuration"


def plan_identity_route(project: Project) -> GeneratedFile:
    """Return the route as this project needs it. Raises ConfigError without a Prisma client that it could ask."""
    layout = read_layout(project.root)
    return identity_route(layout, project_client(project), _known(project).get("identity"))


def identity_route(layout: SourceLayout, client: ClientInUse, path: str | None = None) -> GeneratedFile:
    """Return the route that asks `client`; `path` None is the usual place. Pure but for the template."""
    if path is None and layout.pages is not None:
        path = f"{layout.pages}/api/dbswitch/identity.{layout.extension}"
    path = path or f"{layout.app}/api/dbswitch/identity/route.{layout.extension}"
    get = "export { identity as GET };"
    if IN_PAGES.match(path) is not None:
        get = fill(read_template(f"identity-pages.{layout.extension}"), {"identity": ""}).strip()
    values = {"client": import_lines(client, layout, path, ask="databaseIdentity"), "get": get}
    return sign("identity", path, fill(read_template(f"identity.{layout.extension}"), values))


def _known(project: Project) -> dict[str, str]:
    return {kind: path for path, kind in reversed(find(project).files)}


def plan_admin_route(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the files, without `authorize` where the project changed it. Raises ConfigError without a Prisma client."""
    layout = read_layout(project.root)
    folder, extension = _route_folder(project, layout), layout.extension
    paths = {name: f"{folder}/{name}.{extension}" for name in ("route", "server", "command", "authorize")}
    # The four files are in one folder.
    modules = {name: layout.relative(paths["route"], path) for name, path in paths.items()}
    client = project_client(project)
    values = {
        "client": import_lines(client, layout, paths["server"], ask="ask", needs_prisma=True),
        "migrations": f"const MIGRATIONS = {json.dumps(_migrations(project))};",
    }

    def file(kind: str, name: str, values: dict[str, str]) -> GeneratedFile:
        return sign(kind, paths[name], fill(read_template(f"admin-{name}.{extension}"), values, modules))

    files = (
        file("route", "route", {}),
        file("route-server", "server", values),
        file("route-command", "command", {}),
    )
    changed = generated_state(current_content(project.root / paths["authorize"])) in OWN
    return files if changed else (*files, file("authorize", "authorize", {}))


def _route_folder(project: Project, layout: SourceLayout) -> str:
    if layout.pages is not None:
        raise ConfigError(
            "not generated: the admin route and page need the App Router",
            facts=(f"this project has {layout.pages}/ and no app/ folder",),
            fix="`dbswitch generate route --identity-only` writes a route for the Pages Router, which is enough to verify a switch",
        )
    known = _known(project).get("route")
    return posixpath.dirname(known) if known else f"{layout.app}/{_ROUTE_FOLDER}"


def _migrations(project: Project) -> str:
    """Return the folder: beside the schema file, or in or beside the schema folder."""
    schema = project.prisma.schema
    if schema is None:
        return "prisma/migrations"
    around = [posixpath.dirname(schema)]
    if (project.root / schema).is_dir():
        around.insert(0, schema)
    places = [posixpath.join(folder, "migrations") for folder in around]
    return next((place for place in places if (project.root / place).is_dir()), places[-1])


def plan_admin_page(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the page's files and the route's. Raises ConfigError without a Prisma client, or if the route has no URL."""
    layout, known = read_layout(project.root), _known(project)
    plain, component = layout.extension, "tsx" if layout.typescript else "js"
    route_folder = _route_folder(project, layout)
    route = f"{route_folder}/route.{plain}"
    page = known.get("page") or f"{layout.app}/{_PAGE_FOLDER}/page.{component}"
    folder = posixpath.dirname(page)
    banner = posixpath.join(layout.source, "components", f"database-banner.{component}")
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
    modules = {name: layout.relative(page, f"{folder}/database-{name}") for name in parts}
    modules |= {
        name: layout.aliased(page, f"{route_folder}/{name}.{plain}") for name in ("authorize", "server")
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


def project_client(project: Project) -> ClientInUse:
    """Return the client that the app uses. Raises ConfigError without one."""
    used = client_in_use(project, find(project))
    if used is None:
        first = "" if project.prisma.has_own_engine else "run `dbswitch generate client` first, or "
        raise ConfigError(
            "no route generated: it asks the project's Prisma client, and none was found",
            facts=("searched the project's files for `new PrismaClient`",),
            fix=f"{first}name it in dbswitch.toml: [verify] client = {_EXAMPLE}",
        )
    named = project.config.verify.client
    if named is not None and used.package and installed_folder(project.root, used.path) is None:
        raise ConfigError(
            f"no route generated: {used.path} is neither a file of the project nor an installed package",
            facts=(f"dbswitch.toml: verify.client = {json.dumps(named)}",),
            fix="correct verify.client, or remove it: then the app's own imports decide",
        )
    return used


def client_advice(project: Project) -> tuple[str, ...]:
    """Say which client the route asks, and which generated one the app does not use."""
    used = client_in_use(project, find(project))
    if used is None:
        return ()
    unused = f"{used.unused} is generated, but no page or route of the app leads to it: `dbswitch generate client` says what to change"
    return (f"the route asks {used}", *((unused,) if used.unused is not None else ()))


def import_lines(
    client: ClientInUse, layout: SourceLayout, importer: str, *, ask: str, needs_prisma: bool = False
) -> str:
    """Return the lines that make `ask()` give the identity in the file `importer`, and import `prisma` where asked to."""
    module = client.path if client.package else layout.aliased(importer, client.path)
    source = json.dumps(module)
    if client.generated and not client.export:  # it reports its identity itself
        own = "databaseIdentity" if ask == "databaseIdentity" else f"databaseIdentity as {ask}"
        return f"import {{ {own}{', prisma' if needs_prisma else ''} }} from {source};"
    found = exported_clients(javascript_text.without_comments(client.text))
    export, _, inside = (client.export or next(iter(found), "")).partition(".")
    if export:
        local = "exported" if inside else "prisma"
        names = {"default": local, local: f"{{ {local} }}"}
        name = names.get(export, f"{{ {export} as {local} }}")
        property_of = f"\nconst prisma = exported.{inside};" if inside else ""
        lines = f"import {name} from {source};\n{property_of}"
    else:  # only the running app can tell: the client may be a property of an exported object
        missing = f"const MISSING = {json.dumps(f'{client.path} exports no Prisma client')};"
        template = read_template(f"own-client.{layout.extension}")
        lines = fill(template, {"missing": missing}, {"client": module}).rstrip()
    returned, cast = (": Promise<unknown>", " as unknown[]") if layout.typescript else ("", "")
    sql = json.dumps(" ".join(IDENTITY_SQL.split()))
    asked = f"(await prisma.$queryRawUnsafe({sql}){cast})[0]"
    return f"{lines}\nconst {ask} = async (){returned} => {asked};"
