"""The generated Prisma client: whether this project supports it, its path, and its text."""

from __future__ import annotations

import json
import posixpath
import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from dbswitch.database.identity import IDENTITY_SQL
from dbswitch.durable import real_path_inside, text_or_empty
from dbswitch.errors import ConfigError
from dbswitch.generate import writing
from dbswitch.generate.existing_client import OWN_NAMES, read_existing, replacement_notes
from dbswitch.generate.source_layout import SourceLayout, read_layout
from dbswitch.project.client_in_use import client_in_use
from dbswitch.project.discovery import Project
from dbswitch.project.generated import MARK, find, generated_state
from dbswitch.project.packages import PackageManager, installed_version
from dbswitch.project.prisma import RUST_FREE, PrismaInfo

KIND: Final = "client"
_ALIAS: Final = re.compile(r"^export \{ prisma as (\w+) \};$", re.MULTILINE)
_RE_EXPORTED: Final = re.compile(r"^export .* from ['\"][^'\"]+['\"];$", re.MULTILINE)
_SOURCE_FILE: Final = re.compile(r"\.[mc]?[tj]s$")
_NEXT_REWRITE: Final = 8
_ADD: Final = {manager: "install" if manager is PackageManager.NPM else "add" for manager in PackageManager}


class Adapter(StrEnum):
    """The driver adapters the client knows."""

    PG = "@prisma/adapter-pg"
    NEON = "@prisma/adapter-neon"

    @property
    def factory(self) -> str:
        """The name it exports."""
        return "PrismaNeon" if self is Adapter.NEON else "PrismaPg"


class ClientFacts(Struct, frozen=True):
    """The inputs of the client's text. Paths are relative to the project, `/` between."""

    path: str  # where it goes
    layout: SourceLayout
    # Those that are installed; with both, Neon's connects to Neon's hosts and node-postgres to the others.
    adapters: tuple[Adapter, ...]
    module: str  # what it imports the project's own PrismaClient from: a path, or the name of a `package`
    package: bool = False
    variable: str = "DATABASE_URL"  # the one with the database URL
    extend: str | None = None  # the file with the project's own hooks
    names: tuple[str, ...] = ()  # further names under which the project imports its client, such as `db`
    re_exports: tuple[str, ...] = ()  # `export ... from` statements of the project's own file


def plan_client(project: Project, path: str | None = None) -> writing.GeneratedFile:
    """Return the client at `path`, else in place of the project's own, else beside it if that is more. Raises ConfigError."""
    return render(client_facts(project, path))


def replacement_advice(project: Project, file: writing.GeneratedFile) -> tuple[str, ...]:
    """Report what has to be changed by hand, before `file` is written."""
    layout = read_layout(project.root)
    found, text = file.path, text_or_empty(project.root / file.path)
    if not text:
        found, text = find_client(project, layout)
    if text and generated_state(text.encode()) not in writing.OWN:
        used = client_in_use(project, find(project))
        if used is None or used.generated or used.package:
            return ()
        found, text = used.path, used.text
    if not text:
        return ()
    existing = read_existing(project.root, found, text)
    kept = writing.next_copy(project.root, found, writing.current_content(project.root / found) or b"")
    return replacement_notes(existing, file.path, layout, kept)


def render(facts: ClientFacts) -> writing.GeneratedFile:
    """Return the file for `facts`. Pure but for the template."""
    layout = facts.layout
    module = facts.module if facts.package else layout.relative(facts.path, facts.module)
    prisma = "type Prisma, PrismaClient" if layout.typescript else "PrismaClient"
    extend = "const project = {};"
    if facts.extend is not None:
        extend = f"import * as project from {json.dumps(layout.relative(facts.path, facts.extend))};"
    imports = (f"import {{ {one.factory} }} from {json.dumps(one.value)};" for one in facts.adapters)
    sql = IDENTITY_SQL.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
    neon, other = facts.adapters[-1].factory, facts.adapters[0].factory
    aliases = (f"export {{ prisma as {name} }};" for name in facts.names)
    values = {
        "adapter": "\n".join(imports),
        "adapters": f"const adapters = {{ neon: {neon}, other: {other} }};",
        "client": f"import {{ {prisma} }} from {json.dumps(module)};",
        "extend": extend,
        "variable": f"const VARIABLE = {json.dumps(facts.variable)};",
        "identity": f"const IDENTITY_SQL = `{sql}`;",
        "names": "\n".join((*aliases, *facts.re_exports)),
    }
    template = writing.read_template(f"client.{layout.extension}")
    return writing.sign(KIND, facts.path, writing.fill(template, values))


def client_facts(project: Project, path: str | None = None) -> ClientFacts:
    """Read the project. Raises ConfigError as :func:`plan_client` does."""
    layout = read_layout(project.root)
    module, package = _module(project)
    if path is None:
        found, text = find_client(project, layout)
    else:
        found = path = _chosen(project.root, path)
        text = text_or_empty(project.root / path)
    names: tuple[str, ...] = ()
    re_exports: tuple[str, ...] = ()
    if text.startswith(MARK):
        names, re_exports = tuple(_ALIAS.findall(text)), tuple(_RE_EXPORTED.findall(text))
    elif text:
        existing = read_existing(project.root, found, text)
        if path is None and existing.missing:
            path = _beside(project.root, found)
        else:
            names, re_exports = existing.clients, existing.re_exports
    path = path or found
    extend = ".extend".join(posixpath.splitext(path))
    return ClientFacts(
        path=path,
        layout=layout,
        adapters=_adapters(project),
        module=module,
        package=package,
        variable=project.primary_variable,
        extend=extend if (project.root / extend).is_file() else None,
        names=tuple(name for name in names if name not in OWN_NAMES),
        re_exports=re_exports,
    )


def _module(project: Project) -> tuple[str, bool]:
    """Return where the project's PrismaClient is, and whether that is the name of a package."""
    prisma = project.prisma
    used = client_in_use(project, find(project)) if prisma.schema is None else None
    if used is not None and used.package:
        raise ConfigError(
            f"no client generated: the app's Prisma client is in the package {used.path}",
            why="a client in this folder would not be the one that the app uses",
            fix=_restart_advice(project),
        )
    if not prisma.installed:
        raise ConfigError(
            "no client generated: this project has no Prisma installed",
            fix="install the packages first (npm install), or run it in the app's own folder",
        )
    if prisma.provider not in {None, "postgresql", "postgres", "cockroachdb"}:
        raise ConfigError(
            f"no client generated: the Prisma schema is for {prisma.provider}", why="dbswitch is for Postgres"
        )
    release = prisma.release
    if release >= (_NEXT_REWRITE,):
        raise ConfigError(
            f"no client generated: Prisma {prisma.version} is a rewrite that this dbswitch does not support",
            why="its adapters and errors differ; a wrong retry could run a write twice",
            fix="use Prisma 7, or switch with a restart: `dbswitch TARGET` works without the client",
        )
    if prisma.has_own_engine:
        raise _own_engine(project, prisma)
    if prisma.output is None:
        if prisma.generator == "prisma-client":
            raise ConfigError(
                "no client generated: the generator `prisma-client` has no output",
                fix='add output = "../generated/prisma" to the generator in the Prisma schema',
            )
        return "@prisma/client", True
    if prisma.generator != "prisma-client-js":
        return f"{prisma.output}/client", False
    # A package is imported by its name; `@prisma/client` passes on what was generated into `.prisma/client`.
    _, installed, name = prisma.output.rpartition("node_modules/")
    return ("@prisma/client" if installed and name == ".prisma/client" else name), bool(installed)


def _restart_advice(project: Project) -> str:
    route = "; `dbswitch generate route` lets it prove the new database"
    tell = "" if find(project).identity_path else route
    return f"nothing to change: `dbswitch TARGET` restarts the dev server on the new database{tell}"


def _own_engine(project: Project, prisma: PrismaInfo) -> ConfigError:
    adapter = f"@prisma/adapter-pg@{prisma.version}"
    without = f'the engine can be left out: engineType = "client" in the generator, and {adapter}'
    return ConfigError(
        f"no client generated: Prisma {prisma.version} runs its queries in its own engine",
        facts=(without,) if prisma.release >= RUST_FREE else (),
        why="that engine owns its connections, so no client can move them to another database",
        fix=_restart_advice(project),
    )


def _adapters(project: Project) -> tuple[Adapter, ...]:
    installed = tuple(one for one in Adapter if installed_version(project.root, one.value) is not None)
    if not installed:
        version, manager = project.prisma.version, project.packages.manager
        raise ConfigError(
            "no client generated: no driver adapter is installed",
            facts=["searched for @prisma/adapter-pg and @prisma/adapter-neon in node_modules"],
            why=f"Prisma {version} has no engine of its own here and connects through an adapter",
            fix=f"{manager} {_ADD[manager]} @prisma/adapter-pg@{version}",
        )
    return installed


def find_client(project: Project, layout: SourceLayout) -> tuple[str, str]:
    """Return where the project's Prisma client is or would go, and the text that is there now ("" for nothing)."""
    known = find(project).client
    if known is not None:
        return known, text_or_empty(project.root / known)
    own = client_in_use(project, find(project))
    if own is not None and not own.package:
        return own.path, own.text
    return posixpath.join(layout.source, f"lib/prisma.{layout.extension}"), ""


def _beside(root: Path, path: str) -> str:
    places = ["-client".join(posixpath.splitext(path)), "-hot".join(posixpath.splitext(path))]
    return next((place for place in places if not (root / place).exists()), places[0])


def _chosen(root: Path, path: str) -> str:
    place = real_path_inside(root, path)
    if not _SOURCE_FILE.search(path) or place is None:
        raise ConfigError(
            f"no client generated: {path} is not a valid path for it",
            why="it must be a TypeScript or JavaScript file in the project",
            fix="name one, such as --path lib/prisma-client.ts",
        )
    return place.relative_to(root.resolve()).as_posix()
