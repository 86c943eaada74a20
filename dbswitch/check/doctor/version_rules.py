"""Versions and the combinations of them that are known to fail. Pure.

Sources: `engines` of the installed packages; where none is installed, the requirements of Next.js 16 and Prisma 7 as their
documentation gives them. TypeScript 7 with Next.js 16.0.7 was seen to fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbswitch.check.doctor.doctor_findings import Finding, FindingId, Level
from dbswitch.check.doctor.npm_ranges import parse_version, satisfies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbswitch.check.doctor.doctor_facts import Facts, MachineFacts

_ID = FindingId
_NEXT_TESTED: Final = 16
_PRISMA_REWRITE: Final = 8
_TYPESCRIPT_REWRITE: Final = 7
_NEEDS: Final = (("next", 16, ">=20.9.0"), ("prisma", 7, "^20.19 || ^22.12 || >=24.0"))
_LOCKS: Final = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
_PRISMA_PARTS: Final = ("@prisma/client", "@prisma/adapter-pg", "@prisma/adapter-neon")


def versions(facts: Facts) -> Iterator[Finding]:
    """Judge programs, packages and the caller's environment."""
    found = [
        *_node(facts.machine),
        *_packages(facts.machine),
        *_prisma(facts.machine),
        *_shell(facts.machine),
    ]
    yield from found
    if all(one.level.rank < Level.WARNING.rank for one in found):
        yield Finding(_ID.VERSIONS_FIT, Level.OK, "Node, the packages and the package manager fit together")


def major(machine: MachineFacts, package: str) -> int | None:
    """Return the installed major version of a package."""
    triple = parse_version(machine.installed.get(package, ""))
    return triple[0] if triple is not None else None


def _node(machine: MachineFacts) -> Iterator[Finding]:
    if machine.node is None:
        yield Finding(
            _ID.NODE_MISSING,
            Level.PROBLEM,
            "Node.js was not found, or did not report its version",
            ("searched for `node` on the PATH",),
            "install Node.js 20.19 or newer; with nvm, fnm or volta: open a shell where `node --version` works",
        )
        return
    needs = machine.needs
    if not needs:
        needs = tuple(
            (f"{package} {least}", wanted)
            for package, least, wanted in _NEEDS
            if (number := major(machine, package)) is not None and number >= least
        )
    for who, wanted in needs:
        if satisfies(machine.node, wanted) is False:
            yield Finding(
                _ID.NODE_VERSION,
                Level.PROBLEM,
                f"Node.js {machine.node} does not satisfy {who}",
                (f"{who} asks for Node {wanted}",),
                "install a Node.js in that range (22 LTS or 24 LTS suit Next.js 16 and Prisma 7)",
            )
    if machine.node_pin is not None and _differs(machine.node, machine.node_pin[1]):
        name, pinned = machine.node_pin
        yield Finding(
            _ID.NODE_PIN,
            Level.WARNING,
            f"{name} asks for Node.js {pinned}, this shell has {machine.node}",
            (),
            f"run `nvm use` or `fnm use`, or change {name}",
        )


def _differs(version: str, pinned: str) -> bool:
    parts = pinned.removeprefix("v").split(".")
    if not all(part.isdecimal() for part in parts):
        return False  # `lts/iron` and the like
    return version.split(".")[: len(parts)] != parts


def _packages(machine: MachineFacts) -> Iterator[Finding]:
    missing = [
        name for name in ("next", "prisma") if name in machine.wanted and name not in machine.installed
    ]
    if missing:
        yield Finding(
            _ID.NOT_INSTALLED,
            Level.WARNING,
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed",
            ("it is in package.json but not in node_modules",),
            f"{machine.manager} install",
        )
    if not machine.manager_found:
        yield Finding(
            _ID.PACKAGE_MANAGER_MISSING,
            Level.PROBLEM,
            f"{machine.manager} is not on the PATH, but this project's scripts need it",
            (f"chosen by {machine.manager_source}",) if machine.manager_source else (),
            f"install {machine.manager}, for example with `corepack enable`",
        )
    strangers = [name for name in machine.lock_files if _LOCKS.get(name) != machine.manager]
    if strangers:
        yield Finding(
            _ID.LOCK_FILES,
            Level.WARNING,
            f"There are lock files of another package manager than {machine.manager}",
            tuple(strangers),
            "keep one: two package managers install different versions",
        )
    number = major(machine, "next")
    if number is not None and number < _NEXT_TESTED:
        yield Finding(
            _ID.NEXT_UNTESTED,
            Level.INFO,
            f"dbswitch is tested with Next.js 16, this is {machine.installed['next']}",
            ("older versions have no lock: a second server in the same folder goes unnoticed",),
        )
    typescript = major(machine, "typescript")
    if typescript is not None and typescript >= _TYPESCRIPT_REWRITE and number is not None:
        next_version = parse_version(machine.installed["next"]) or (0, 0, 0)
        broken = next_version < (16, 1, 0)
        yield Finding(
            _ID.TYPESCRIPT_VERSION,
            Level.PROBLEM if broken else Level.INFO,
            f"TypeScript {machine.installed['typescript']} "
            + ("breaks" if broken else "is untested with")
            + f" Next.js {machine.installed['next']}",
            (),
            f"{machine.manager} install --save-dev typescript@5.9.3" if broken else "",
        )


def _prisma(machine: MachineFacts) -> Iterator[Finding]:
    number = major(machine, "prisma") or major(machine, "@prisma/client")
    if number is None:
        return
    version = machine.installed.get("prisma") or machine.installed.get("@prisma/client")
    if number >= _PRISMA_REWRITE:
        yield Finding(
            _ID.PRISMA_UNSUPPORTED,
            Level.PROBLEM,
            f"Prisma {version} is not supported: 8 is a rewrite",
            (),
            f"{machine.manager} install prisma@7 @prisma/client@7",
        )
        return
    told = {name: machine.installed[name] for name in ("prisma", *_PRISMA_PARTS) if name in machine.installed}
    if len(set(told.values())) > 1:
        yield Finding(
            _ID.PRISMA_MISMATCH,
            Level.WARNING,
            "The parts of Prisma have different versions",
            tuple(f"{name} {one}" for name, one in told.items()),
            "install them all in one version: the client and its adapter are made for each other",
        )
    if number < _PRISMA_REWRITE - 1:
        return
    adapters = [name for name in machine.wanted if name.startswith("@prisma/adapter-")]
    if not adapters and not machine.accelerate and "@prisma/client" in machine.wanted:
        yield Finding(
            _ID.PRISMA_ADAPTER,
            Level.WARNING,
            f"Prisma {version} connects through an adapter, but no adapter is a dependency",
            (),
            f"{machine.manager} install @prisma/adapter-pg@{version}",
        )
    if machine.prisma_config is None:
        yield Finding(
            _ID.PRISMA_CONFIG,
            Level.WARNING,
            f"Prisma {version} takes its URL from prisma.config.ts, but there is none",
            ("the Prisma CLI loads no env file by itself since version 7",),
            "write prisma.config.ts with `import 'dotenv/config'` and `datasource: { url: env('DATABASE_URL') }`",
        )


def _shell(machine: MachineFacts) -> Iterator[Finding]:
    if machine.inside_next:
        yield Finding(
            _ID.SHELL_INSIDE_NEXT,
            Level.WARNING,
            "This shell was started by Next.js: a server started from it by hand loads no env file",
            ("__NEXT_PROCESSED_ENV is set",),
            "open a new terminal, or start the server with `dbswitch dev`, which removes those variables",
        )
    if machine.node_env not in {None, "development", "test"}:
        yield Finding(
            _ID.SHELL_NODE_ENV,
            Level.WARNING,
            "NODE_ENV is exported in this shell and is not `development`",
            ("`next dev` then behaves in ways that Next.js calls inconsistent",),
            "unset NODE_ENV",
        )
