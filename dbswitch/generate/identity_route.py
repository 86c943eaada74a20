"""The route that tells dbswitch which database the running app is on: `<app>/api/dbswitch/identity/route.ts`.

For the command line: `plan_identity_route(project)`, with `dbswitch.generate.writing` as for the client.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from dbswitch.errors import ConfigError
from dbswitch.generate.header import GeneratedFile, sign
from dbswitch.generate.style import Style, read_style
from dbswitch.generate.template import fill, read_template
from dbswitch.project.generated import find

if TYPE_CHECKING:
    from dbswitch.project.discovery import Project

KIND: Final = "identity"


def plan_identity_route(project: Project) -> GeneratedFile:
    """Return the route as this project needs it.

    Raises:
        ConfigError: the project has no generated client, which the route asks.
    """
    found = find(project)
    if found.client is None:
        raise ConfigError(
            "no route generated: it asks the generated Prisma client, and this project has none",
            fix="run `dbswitch generate client` first",
        )
    known = next((path for path, kind in found.files if kind == KIND), None)
    return render(read_style(project.root), found.client, known)


def render(style: Style, client: str, path: str | None = None) -> GeneratedFile:
    """Return the route that asks the client in the file `client`; `path` None is the usual place. Pure."""
    path = path or f"{style.app}/api/dbswitch/identity/route.{style.extension}"
    source = json.dumps(style.aliased(path, client))
    body = fill(
        read_template(f"identity.{style.extension}"),
        {"client": f"import {{ databaseIdentity }} from {source};"},
    )
    return sign(KIND, path, body)
