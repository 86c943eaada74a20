"""The admin page, its client components with their style, and the banner; with the route that they ask.

For the command line: `plan_admin_page(project)`, with `dbswitch.generate.writing` as for the client.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Final

from dbswitch.errors import ConfigError
from dbswitch.generate.admin_route import RouteFacts, plan_admin_route, route_facts
from dbswitch.generate.template import fill, read_template
from dbswitch.generate.writing import GeneratedFile, sign
from dbswitch.project.generated import find, url_path

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

PAGE: Final = "page"
SWITCH: Final = "page-switch"
RUN: Final = "page-run"
VIEW: Final = "page-view"
API: Final = "page-api"
STYLE: Final = "page-style"
BANNER: Final = "banner"
_FOLDER: Final = "admin/configuration"
_COMPONENTS: Final = "components"


def plan_admin_page(project: Project) -> tuple[GeneratedFile, ...]:
    """Return the page's files and the route's, as this project needs them.

    Raises:
        ConfigError: the project has no Prisma client that the route could ask, or its route has no URL.
    """
    route = route_facts(project)
    known = {kind: path for path, kind in find(project).files}
    extension = "tsx" if route.style.typescript else "js"
    page = known.get(PAGE) or f"{route.style.app}/{_FOLDER}/page.{extension}"
    banner = known.get(BANNER) or posixpath.join(
        route.style.source, _COMPONENTS, f"database-banner.{extension}"
    )
    return (*plan_admin_route(project), *render(route, page, banner))


def render(route: RouteFacts, page: str, banner: str) -> tuple[GeneratedFile, ...]:
    """Return the files for a page at `page` and a banner at `banner`. Pure but for the templates."""
    style = route.style
    folder = posixpath.dirname(page)
    asked = url_path(route.route)
    if asked is None:
        raise ConfigError(
            f"no page generated: {route.route} is not inside the App Router's folder",
            fix="move it back into app/, or delete it and run `dbswitch generate page` again",
        )
    place = f"const ROUTE = {json.dumps(asked)};"
    extension = "tsx" if style.typescript else "js"

    def template(name: str) -> str:
        return read_template(f"{name}.{extension}")

    def beside(names: str, name: str) -> str:
        return _import(names, style.relative(page, f"{folder}/database-{name}"))

    def types(names: str) -> str:
        line = beside(names, "api").replace("import", "import type", 1)
        return line if style.typescript else ""

    here = fill(
        template("admin-page"),
        {
            "authorize": _import("authorize", style.aliased(page, route.authorize)),
            "server": _import("isFramed, isOpen, readToken", style.aliased(page, route.server)),
            "switch": beside("DatabaseSwitch", "switch"),
            "route": place,
        },
    )
    switch = fill(
        template("admin-switch"),
        {
            "api": beside("ask, load, save", "api"),
            "types": types("Job, Overview, Problem, Run, Running, Target"),
            "run": beside("Progress, progressOf, Steps, stepsOf, verdictOf", "run"),
            "style": beside("style", "style"),
            "view": beside(
                "Confirm, Current, History, isElsewhere, Migrations, Notice, Targets, Unlock", "view"
            ),
        },
    )
    run = fill(
        template("admin-run"),
        {
            "api": beside("seconds", "api"),
            "types": types("Event, Job, Problem, Run"),
            "view": beside("Notice, useLostFocus", "view"),
        },
    )
    view = fill(
        template("admin-view"),
        {
            "api": beside("seconds, sentence", "api"),
            "types": types("Overview, Past, Problem, Target"),
        },
    )
    shown = f"const PAGE = {json.dumps(_page_path(page))};"
    return (
        sign(PAGE, page, here),
        sign(SWITCH, f"{folder}/database-switch.{extension}", switch),
        sign(RUN, f"{folder}/database-run.{extension}", run),
        sign(VIEW, f"{folder}/database-view.{extension}", view),
        sign(API, f"{folder}/database-api.{style.extension}", read_template(f"admin-api.{style.extension}")),
        sign(
            STYLE,
            f"{folder}/database-style.{style.extension}",
            read_template(f"admin-style.{style.extension}"),
        ),
        sign(BANNER, banner, fill(template("admin-banner"), {"route": place, "page": shown})),
    )


def _page_path(page: str) -> str:
    # A page has the URL that a route file in its folder would have.
    return url_path(posixpath.join(posixpath.dirname(page), "route.js")) or f"/{_FOLDER}"


def _import(names: str, module: str) -> str:
    return f"import {{ {names} }} from {json.dumps(module)};"
