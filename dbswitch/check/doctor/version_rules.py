"""Versions of Node.js, of the packages and of Prisma, the package manager, and the shell. Pure.

Sources of the ranges: `engines` of the installed packages. TypeScript 7 with Next.js 16.0.7 was seen to fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from semantic_version import NpmSpec, Version

from dbswitch.check.doctor.doctor_facts import (
    INFO,
    OK,
    PROBLEM,
    WARNING,
    DoctorFinding,
    Facts,
    MachineFacts,
    parse_version,
)
from dbswitch.project.discovery import Project
from dbswitch.project.packages import LOCK_FILES

_NEXT_TESTED: Final = 16
_PRISMA_REWRITE: Final = 8
_TYPESCRIPT_REWRITE: Final = 7
_PRISMA_PARTS: Final = ("@prisma/client", "@prisma/adapter-pg", "@prisma/adapter-neon")
_GAP: Final = re.compile(r"([<>=^~]+)\s+")  # npm allows `>= 18`, the library does not


def versions(facts: Facts) -> Iterator[DoctorFinding]:
    """Judge the versions."""
    machine, project = facts.machine, facts.project
    found = [*_node(machine), *_packages(machine, project), *_prisma(machine, project), *_shell(machine)]
    yield from found
    if all(one.level.rank < WARNING.rank for one in found):
        yield OK.found("versions-fit", "Node.js, the packages and the package manager are compatible")


def satisfies(version: str, wanted: str) -> bool | None:
    """Return whether `version`, as a release, is inside the npm range; None where one of the two cannot be read."""
    numbers = parse_version(version)
    try:
        spec = NpmSpec(_GAP.sub(r"\1", wanted.strip()) or "*")
    except ValueError:
        return None
    return None if numbers is None else Version("{}.{}.{}".format(*numbers)) in spec


def _node(machine: MachineFacts) -> Iterator[DoctorFinding]:
    if machine.node is None:
        what = "Node.js was not found, or did not report its version"
        fix = "install Node.js 20.19 or newer; with nvm, fnm or volta: open a shell where `node --version` works"
        yield PROBLEM.found("node-missing", what, "searched for `node` on the PATH", fix=fix)
        return
    for who, wanted in machine.needs:
        if satisfies(machine.node, wanted) is False:
            what = f"Node.js {machine.node} does not satisfy {who}"
            fix = "install a Node.js in that range (22 LTS or 24 LTS suit Next.js 16 and Prisma 7)"
            yield PROBLEM.found("node-version", what, f"{who} asks for Node {wanted}", fix=fix)
    name, pinned = machine.node_pin or ("", "")
    parts = pinned.removeprefix("v").split(".")
    # `lts/iron` and the like are not compared.
    if all(part.isdecimal() for part in parts) and machine.node.split(".")[: len(parts)] != parts:
        what = f"{name} asks for Node.js {pinned}, this shell has {machine.node}"
        yield WARNING.found("node-pin", what, fix=f"run `nvm use` or `fnm use`, or change {name}")


def _packages(machine: MachineFacts, project: Project) -> Iterator[DoctorFinding]:
    wanted, manager = project.manifest.dependencies, project.packages.manager
    missing = [one for one in ("next", "prisma") if one in wanted and one not in machine.installed]
    if missing:
        what = f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed"
        fix = f"{manager} install"
        yield WARNING.found("not-installed", what, "it is in package.json but not in node_modules", fix=fix)
    if not machine.manager_found:
        yield PROBLEM.found(
            "package-manager-missing",
            f"{manager} is not on the PATH, but this project's scripts need it",
            f"chosen by {project.packages.manager_source}" if project.packages.manager_source else "",
            fix=f"install {manager}, for example with `corepack enable`",
        )
    strangers = [name for name in machine.lock_files if dict(LOCK_FILES).get(name) != manager]
    if strangers:
        what = f"There are lock files of a package manager other than {manager}"
        fix = "keep one: two package managers install different versions"
        yield WARNING.found("lock-files", what, *strangers, fix=fix)
    number = machine.major("next")
    if number is not None and number < _NEXT_TESTED:
        yield INFO.found(
            "next-untested",
            f"dbswitch is tested with Next.js 16, this is {machine.installed['next']}",
            "older versions have no lock: a second server in the same folder goes unnoticed",
        )
    typescript = machine.major("typescript")
    if typescript is not None and typescript >= _TYPESCRIPT_REWRITE and number is not None:
        both = f"TypeScript {machine.installed['typescript']} {{}} Next.js {machine.installed['next']}"
        if (parse_version(machine.installed["next"]) or (0, 0, 0)) < (16, 1, 0):
            fix = f"{manager} install --save-dev typescript@5.9.3"
            yield PROBLEM.found("typescript-version", both.format("breaks"), fix=fix)
        else:
            yield INFO.found("typescript-version", both.format("is untested with"))


def _prisma(machine: MachineFacts, project: Project) -> Iterator[DoctorFinding]:
    number = machine.major("prisma") or machine.major("@prisma/client")
    if number is None:
        return
    version = machine.installed.get("prisma") or machine.installed.get("@prisma/client")
    if number >= _PRISMA_REWRITE:
        what = f"Prisma {version} is not supported: 8 is a rewrite"
        fix = f"{project.packages.manager} install prisma@7 @prisma/client@7"
        yield PROBLEM.found("prisma-unsupported", what, fix=fix)
        return
    told = {name: machine.installed[name] for name in ("prisma", *_PRISMA_PARTS) if name in machine.installed}
    if len(set(told.values())) > 1:
        what = "Prisma's packages have different versions"
        fix = "install the same version of each: the client and its adapter are made for each other"
        parts = (f"{name} {one}" for name, one in told.items())
        yield WARNING.found("prisma-mismatch", what, *parts, fix=fix)
    if number < _PRISMA_REWRITE - 1:
        return
    wanted, prisma = project.manifest.dependencies, project.prisma
    ways = ("@prisma/adapter-", "@prisma/extension-accelerate")
    if "@prisma/client" in wanted and not any(name.startswith(ways) for name in wanted):
        what = f"Prisma {version} connects through an adapter, but no adapter is a dependency"
        fix = f"{project.packages.manager} install @prisma/adapter-pg@{version}"
        yield WARNING.found("prisma-adapter", what, fix=fix)
    if prisma.config_file is None and (prisma.schema is not None or not prisma.version):
        what = f"Prisma {version} takes its URL from prisma.config.ts, but there is none"
        seen = "the Prisma CLI loads no env file by itself since version 7"
        fix = "write prisma.config.ts with `import 'dotenv/config'` and `datasource: { url: env('DATABASE_URL') }`"
        yield WARNING.found("prisma-config", what, seen, fix=fix)


def _shell(machine: MachineFacts) -> Iterator[DoctorFinding]:
    if machine.inside_next:
        what = "This shell was started by Next.js: a server started from it by hand loads no env file"
        fix = "open a new terminal, or start the server with `dbswitch dev`, which removes those variables"
        yield WARNING.found("shell-inside-next", what, "__NEXT_PROCESSED_ENV is set", fix=fix)
    if machine.node_env not in {None, "development", "test"}:
        yield WARNING.found(
            "shell-node-env",
            "NODE_ENV is exported in this shell and is not `development`",
            "`next dev` then behaves in ways that Next.js calls inconsistent",
            fix="unset NODE_ENV",
        )
