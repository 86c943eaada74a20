"""The Prisma client that a generated route asks: the generated one, or one the project made itself."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.database.identity import IDENTITY_SQL
from dbswitch.errors import ConfigError
from dbswitch.generate.client import find_client
from dbswitch.project.generated import find

if TYPE_CHECKING:
    from dbswitch.generate.style import Style
    from dbswitch.project.discovery import Project

_DEFAULT_EXPORT: Final = re.compile(r"^export\s+default\b|^export\s*\{[^}]*\bas\s+default\b", re.MULTILINE)
_NAMED_EXPORT: Final = re.compile(
    r"^export\s+(?:const|let|var)\s+(?P<name>\w+)\b[^;]*?\bprisma", re.IGNORECASE | re.MULTILINE
)


class ProjectClient(Struct, frozen=True):
    """Where a route gets its client from.

    Attributes:
        path: the file, relative to the project, `/` between.
        export: the name it exports it by: `default` for the default export.
        follows: it is the generated client, which knows its identity itself.
    """

    path: str
    export: str = "prisma"
    follows: bool = True


def project_client(project: Project, style: Style) -> ProjectClient:
    """Return the generated client, else the one the project made itself.

    Raises:
        ConfigError: there is none whose export can be told.
    """
    generated = find(project).client
    if generated is not None:
        return ProjectClient(generated)
    path, text = find_client(project, style)
    named = _NAMED_EXPORT.search(text)
    if named is not None:
        return ProjectClient(path, named["name"], follows=False)
    if _DEFAULT_EXPORT.search(text):
        return ProjectClient(path, "default", follows=False)
    raise ConfigError(
        "no route generated: it asks the project's Prisma client, and none was found",
        facts=("looked for lib/prisma, lib/db and the like",),
        fix="run `dbswitch generate client` first",
    )


def import_lines(
    client: ProjectClient, style: Style, importer: str, *, ask: str, needs_prisma: bool = False
) -> str:
    """Return the lines that make `ask()` give the identity in the file `importer`, and import `prisma` where asked to."""
    source = json.dumps(style.aliased(importer, client.path))
    if client.follows:
        own = "databaseIdentity" if ask == "databaseIdentity" else f"databaseIdentity as {ask}"
        return f"import {{ {own}{', prisma' if needs_prisma else ''} }} from {source};"
    match client.export:
        case "default":
            names = "prisma"
        case "prisma":
            names = "{ prisma }"
        case name:
            names = f"{{ {name} as prisma }}"
    asked = f"await prisma.$queryRawUnsafe({json.dumps(' '.join(IDENTITY_SQL.split()))})"
    lines = [f"import {names} from {source};", ""]
    if style.typescript:
        lines.append(f"const {ask} = async (): Promise<unknown> => (({asked}) as unknown[])[0];")
    else:
        lines.append(f"const {ask} = async () => ({asked})[0];")
    return "\n".join(lines)
