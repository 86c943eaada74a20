"""The admin page, its client components with their style, and the banner; with the route that they ask."""

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
    """Return the page's files and the route's. Raises ConfigError without a Prisma client, or if the route has no URL."""
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
    values = {
        "route": f"const ROUTE = {json.dumps(asked)};",
        "page": f"const PAGE = {json.dumps(_page_path(page))};",
    }
    parts = ("api", "run", "style", "switch", "view")
    modules = {name: style.relative(page, f"{folder}/database-{name}") for name in parts} | {
        "authorize": style.aliased(page, route.authorize),
        "server": style.aliased(page, route.server),
    }

    def file(kind: str, path: str, template: str, *names: str) -> GeneratedFile:
        text = fill(read_template(template), {name: values[name] for name in names}, modules)
        return sign(kind, path, text)

    plain, component = style.extension, "tsx" if style.typescript else "js"
    return (
        file(PAGE, page, f"admin-page.{component}", "route"),
        file(SWITCH, f"{folder}/database-switch.{component}", f"admin-switch.{component}"),
        file(RUN, f"{folder}/database-run.{component}", f"admin-run.{component}"),
        file(VIEW, f"{folder}/database-view.{component}", f"admin-view.{component}"),
        file(API, f"{folder}/database-api.{plain}", f"admin-api.{plain}"),
        file(STYLE, f"{folder}/database-style.{plain}", f"admin-style.{plain}"),
        file(BANNER, banner, f"admin-banner.{component}", "route", "page"),
    )


def _page_path(page: str) -> str:
    # A page has the URL that a route file in its folder would have.
    return url_path(posixpath.join(posixpath.dirname(page), "route.js")) or f"/{_FOLDER}"
