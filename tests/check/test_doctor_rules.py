"""From facts to findings, as tables: what must be found, and that nothing else is."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from dbswitch.check.doctor import doctor_facts as f, doctor_rules
from dbswitch.check.doctor.doctor_facts import (
    Agreement,
    Distance,
    DoctorFinding,
    Facts,
    FileFacts,
    Level,
    MachineFacts,
    ReaderFacts,
    ServerFacts,
    TargetFacts,
    agreement,
    distance,
    in_order,
    worst,
)
from dbswitch.check.doctor.doctor_report import as_text
from dbswitch.check.doctor.doctor_rules import judge
from dbswitch.database.identity import Identity
from dbswitch.database.migrations import MigrationState
from dbswitch.database.probe import Ready
from dbswitch.database.url import DatabaseUrl
from dbswitch.envfiles.precedence import Reader
from dbswitch.errors import ConfigError
from dbswitch.project.active_target import ReaderState
from dbswitch.project.config import Config
from dbswitch.project.discovery import Project
from dbswitch.project.generated import GeneratedState
from dbswitch.project.packages import Manifest, PackageManager, Packages
from dbswitch.project.prisma import PrismaInfo
from dbswitch.project.target_sources import TargetRef
from dbswitch.project.targets import Target
from dbswitch.redaction import SecretValues
from dbswitch.server.observation import Observation
from dbswitch.server.ownership import Owned, Proof
from dbswitch.server.ports import Listener
from dbswitch.server.processes import Process, ProcessId
from dbswitch.server.spec import ServerSpec
from dbswitch.server.state import ServerState
from tests.cli.running import ROOT

PASSWORD = "pa-ss-w0rd"
_NAMED = re.compile(r"\.(?:found|failed)\(\s*\"([a-z-]+)\"")
LOCAL = DatabaseUrl.parse(f"postgresql://app:{PASSWORD}@localhost:5432/shop")
LOCAL_AGAIN = DatabaseUrl.parse(f"postgres://other:{PASSWORD}@127.0.0.1/shop")
PROD = DatabaseUrl.parse(f"postgresql://app:{PASSWORD}@db.example.com:5432/shop?sslmode=verify-full")
POOLED = DatabaseUrl.parse(f"postgresql://app:{PASSWORD}@ep-x-pooler.example.com/shop?sslmode=verify-full")
SOME_SCHEMA = DatabaseUrl.parse(f"postgresql://app:{PASSWORD}@localhost:5432/shop?schema=tenant")


def who(system: str = "1", started: str = "100", **changes: object) -> Identity:
    made = Identity("shop", "16384", started, system, "18.4", in_recovery=False, read_only=False)
    return replace(made, **changes)  # type: ignore[arg-type]


def answer(identity: Identity, latency: float = 0.012) -> Ready:
    return Ready(identity, 1, (), latency, encrypted=False)


DOWN = ConfigError("connection refused (P1001)", facts=("masked",), fix="start the database server")
MACHINE = MachineFacts(
    node="22.12.0",
    needs=(("next 16.0.7", ">=20.9.0"), ("prisma 7.1.0", "^20.19 || ^22.12 || >=24.0")),
    lock_files=("package-lock.json",),
    installed={
        "next": "16.0.7",
        "prisma": "7.1.0",
        "@prisma/client": "7.1.0",
        "@prisma/adapter-pg": "7.1.0",
        "typescript": "5.9.3",
    },
)
WANTED = dict.fromkeys(("next", "prisma", "@prisma/client", "@prisma/adapter-pg", "typescript"), "*")
PRISMA = PrismaInfo(
    version="7.1.0", installed=True, config_file="prisma.config.ts", schema="prisma/schema.prisma", provider="postgresql",
    url_variables=("DATABASE_URL",), generator="prisma-client", output=None, env_files=(".env",),
)  # fmt: skip
PROJECT = Project(
    root=Path("/app"),
    config=Config(),
    manifest=Manifest(dependencies=WANTED),
    next=None,
    prisma=PRISMA,
    packages=Packages(PackageManager.NPM, "package-lock.json", "next dev", "dev"),
    url_variables=("DATABASE_URL",),
    tracked=frozenset(),
)


def row(reader: str, url: DatabaseUrl | None, target: str = "", **changes: object) -> ReaderFacts:
    made = ReaderFacts(
        reader,
        "DATABASE_URL",
        url=url,
        targets=(target,) if target else (),
        source=".env.local" if url else None,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def target(name: str, url: DatabaseUrl | None, **changes: object) -> TargetFacts:
    ref = TargetRef(name, f"env/{name}.env", protected=name == "prod")
    if url is None:
        return replace(TargetFacts(ref), **changes)  # type: ignore[arg-type]
    values = Target(name, SecretValues({}), ref.protected, ref.source, "DATABASE_URL", url)
    return replace(TargetFacts(ref, values, urls=(("DATABASE_URL", url),)), **changes)  # type: ignore[arg-type]


READERS = (
    row(f.NEXT_DEV, LOCAL, "local"),
    row(f.NEXT_START, LOCAL, "local"),
    row(f.PRISMA_CLI, LOCAL, "local"),
    row(f.STUDIO, LOCAL, "local"),
    row(f.SHELL, None),
)
STATE = MigrationState()


def seen(
    state: ServerState = ServerState.STOPPED,
    pids: tuple[int, ...] = (),
    foreign: tuple[int, ...] = (),
    **more: object,
) -> Observation:
    made = Observation(
        state=state,
        record=None,
        processes=tuple(
            Owned(Process(ProcessId(pid, "1"), 1, pid, pid, 0, ("node",)), Proof.SESSION) for pid in pids
        ),
        port=None,
        url=None,
        by_us=False,
        foreign=tuple(Listener(port, None, "someone") for port in foreign),
        listening={},
        top=None,
    )
    return replace(made, **more)  # type: ignore[arg-type]


SPEC = ServerSpec(
    ("next", "dev"), Path("/app"), 3000, False, Path("/app/.next"), Path("/app/.dbswitch"), Path("/state")
)
RUNNING = seen(ServerState.READY, (7,), url="http://localhost:3000", listening={3000: frozenset({7})})
WELL = Facts(
    project=PROJECT,
    machine=MACHINE,
    readers=READERS,
    targets=(target("local", LOCAL, migrations=STATE), target("prod", PROD, migrations=STATE)),
    answers={LOCAL: answer(who("1")), PROD: answer(who("2"))},
    server=ServerFacts(SPEC, RUNNING),
    files=(FileFacts(".env.local", 0o600, "me"),),
    generated=(f.GeneratedFacts("lib/prisma.ts", "client", GeneratedState.CURRENT),),
    hot_client=True,
    identity_route=True,
)


def found(facts: Facts) -> dict[str, Level]:
    worse_last = reversed(in_order(judge(facts)))
    return {one.id: one.level for one in worse_last if one.level is not Level.OK}


def test_where_all_is_well_every_area_says_so_and_nothing_else_is_found():
    findings = judge(WELL)
    assert {one.level for one in findings} == {Level.OK}
    assert {one.id for one in findings} == {
        "versions-fit", "readers-agree", "targets-answer", "migrations-in-step", "server-well", "files-private",
        "generated-current",
    }  # fmt: skip


def machine(**changes: object) -> Facts:
    return replace(WELL, machine=replace(MACHINE, **changes))  # type: ignore[arg-type]


def project(**changes: object) -> Facts:
    return replace(WELL, project=replace(PROJECT, **changes))  # type: ignore[arg-type]


def wanting(*names: str) -> Facts:
    return project(manifest=Manifest(dependencies=dict.fromkeys(names, "*")))


def installed(**changes: str) -> Facts:
    names = {"client": "@prisma/client", "adapter": "@prisma/adapter-pg"}
    more = {names.get(name, name): version for name, version in changes.items()}
    return machine(installed={**MACHINE.installed, **more})


MACHINES = {
    "no node": (machine(node=None), {"node-missing": "problem"}),
    "node 20.18 with Prisma 7": (machine(node="20.18.0"), {"node-version": "problem"}),
    "an engines field not understood": (machine(needs=(("package.json", "lts/*"),)), {}),
    "another pinned node": (machine(node_pin=(".nvmrc", "v20")), {"node-pin": "warning"}),
    "the pinned node": (machine(node_pin=(".nvmrc", "22.12")), {}),
    "a pin by name": (machine(node_pin=(".nvmrc", "lts/iron")), {}),
    "nothing installed": (machine(installed={}, needs=()), {"not-installed": "warning"}),
    "TypeScript 7 with Next.js 16.0.7": (installed(typescript="7.0.1"), {"typescript-version": "problem"}),
    "TypeScript 7 with a newer Next.js": (
        installed(typescript="7.0.1", next="16.4.5"), {"typescript-version": "info"},
    ),
    "Prisma 8": (
        installed(prisma="8.0.0", client="8.0.0", adapter="8.0.0"), {"prisma-unsupported": "problem"},
    ),
    "parts of Prisma": (installed(client="7.2.0"), {"prisma-mismatch": "warning"}),
    "Prisma 7 without an adapter": (
        wanting("next", "prisma", "@prisma/client"), {"prisma-adapter": "warning"},
    ),
    "Prisma 7 with Accelerate": (
        wanting("next", "prisma", "@prisma/client", "@prisma/extension-accelerate"), {},
    ),
    "Prisma 7 without a config": (project(prisma=replace(PRISMA, config_file=None)), {"prisma-config": "warning"}),
    "Prisma 7 without a config or a schema": (project(prisma=replace(PRISMA, config_file=None, schema=None)), {}),
    "Prisma 6 without both": (
        replace(
            machine(installed={"next": "16.0.7", "prisma": "6.19.0", "@prisma/client": "6.19.0"}),
            project=replace(
                wanting("next", "prisma", "@prisma/client").project, prisma=replace(PRISMA, config_file=None)
            ),
        ),
        {},
    ),
    "Next.js 15": (installed(next="15.3.0"), {"next-untested": "info"}),
    "no pnpm": (
        replace(
            machine(manager_found=False, lock_files=("pnpm-lock.yaml",)),
            project=replace(PROJECT, packages=replace(PROJECT.packages, manager=PackageManager.PNPM)),
        ),
        {"package-manager-missing": "problem"},
    ),
    "two lock files": (machine(lock_files=("package-lock.json", "yarn.lock")), {"lock-files": "warning"}),
    "NODE_ENV=production": (machine(node_env="production"), {"shell-node-env": "warning"}),
    "NODE_ENV=development": (machine(node_env="development"), {}),
    "a shell from inside Next.js": (machine(inside_next=True), {"shell-inside-next": "warning"}),
}  # fmt: skip


def readers(*rows: ReaderFacts, **changes: object) -> Facts:
    names = {one.reader for one in rows}
    kept = tuple(one for one in READERS if one.reader not in names)
    return replace(WELL, readers=(*rows, *kept), **changes)  # type: ignore[arg-type]


def holding(reader: Reader, variable: str, owner: str) -> ReaderState:
    return ReaderState(reader, "DATABASE_URL", "local", "shop", ".env", foreign=((variable, owner),))


SHELL_PROD = row(f.SHELL, PROD, "prod", source="process environment")
READER_CASES = {
    "Prisma on prod": (
        readers(row(f.PRISMA_CLI, PROD, "prod"), row(f.STUDIO, PROD, "prod")), {"prisma-elsewhere": "problem"},
    ),
    "Studio alone on prod": (readers(row(f.STUDIO, PROD, "prod")), {"prisma-elsewhere": "problem"}),
    "Prisma without a URL": (
        readers(row(f.PRISMA_CLI, None), row(f.STUDIO, None)), {"prisma-without-url": "info"},
    ),
    "the same database in other words": (readers(row(f.PRISMA_CLI, LOCAL_AGAIN)), {}),
    "a direct and a pooled URL of one target": (
        readers(
            row(f.NEXT_DEV, POOLED, "prod"), row(f.NEXT_START, POOLED, "prod"),
            row(f.PRISMA_CLI, PROD, "prod"), row(f.STUDIO, PROD, "prod"),
        ),
        {},
    ),
    "the server was started with another": (
        readers(row(f.RUNNING, PROD, "prod", source="process environment")), {"server-elsewhere": "problem"},
    ),
    "next start on another": (
        readers(row(f.NEXT_START, PROD, "prod", source=".env.local")), {"start-elsewhere": "warning"},
    ),
    "next start on production's own file": (
        readers(row(f.NEXT_START, PROD, "prod", source=".env.production")), {"start-elsewhere": "info"},
    ),
    "exported in the shell": (
        readers(SHELL_PROD, *(row(name, PROD, "prod", source="process environment", shadowed=(".env",))
                              for name in (f.NEXT_DEV, f.NEXT_START, f.PRISMA_CLI, f.STUDIO))),
        {"shell-overrides": "warning"},
    ),
    "a variable of production beside local": (
        replace(WELL, states=(holding(Reader.NEXT_DEV, "STRIPE_KEY", "prod"),)),
        {"variable-elsewhere": "problem"},
    ),
    "a variable of an unprotected target beside local": (
        replace(WELL, states=(holding(Reader.PRISMA, "MODE", "qa"),)),
        {"variable-elsewhere": "warning"},
    ),
    "an env file of another package of the monorepo": (
        replace(WELL, package_env_files=(("../../packages/database/.env", "DATABASE_URL"),)),
        {"package-elsewhere": "warning"},
    ),
    "Next.js without a URL": (
        readers(*(row(name, None) for name in (f.NEXT_DEV, f.NEXT_START, f.PRISMA_CLI, f.STUDIO))),
        {"next-without-url": "problem", "prisma-without-url": "info"},
    ),
    "a URL that cannot be used": (
        readers(
            row(f.NEXT_DEV, None, unusable="DATABASE_URL names no host.", source=".env"),
            row(f.NEXT_START, None, unusable="DATABASE_URL names no host.", source=".env"),
        ),
        {"url-unusable": "problem"},
    ),
    "a database of no name": (
        replace(WELL, readers=tuple(replace(one, targets=()) for one in READERS)), {"database-unnamed": "warning"},
    ),
    "a database of no name beside a skipped target": (
        replace(
            WELL,
            readers=tuple(replace(one, targets=()) for one in READERS),
            targets=(*WELL.targets, target("vault", None)),
        ),
        {"database-unnamed": "info", "target-skipped": "info"},
    ),
    "Prisma through a pooler": (
        readers(row(f.PRISMA_CLI, POOLED, "local")), {"prisma-pooled": "warning"},
    ),
    "a schema that the adapter ignores": (
        replace(
            readers(*(row(name, SOME_SCHEMA, "local") for name in (f.NEXT_DEV, f.NEXT_START))), hot_client=False
        ),
        {"schema-ignored": "warning", "no-hot-client": "info"},
    ),
    "an env file that cannot be read": (
        replace(WELL, readers=(), readers_trouble=ConfigError(".env is not a regular file")),
        {"env-unreadable": "problem"},
    ),
}  # fmt: skip


def targets(*several: TargetFacts, **answers: Identity) -> Facts:
    return replace(WELL, targets=several, **answers)


def answers(**several: object) -> Facts:
    known = {"local": LOCAL, "prod": PROD}
    return replace(WELL, answers={**WELL.answers, **{known[name]: one for name, one in several.items()}})  # type: ignore[dict-item]


NO_USER = DatabaseUrl.parse("postgresql://localhost:5432/shop")
ON_A_HOST = DatabaseUrl.parse("postgresql://app@db:5432/shop")
ADDRESS = DatabaseUrl.parse("postgresql://app@192.168.1.7:5432/shop?sslmode=disable")
UNENCRYPTED = DatabaseUrl.parse("postgresql://app@db.example.com:5432/shop?sslmode=disable")
MISLEADING = DatabaseUrl.parse("postgresql://app@db.example.com:5432/shop?sslmode=require")
DIRECT = DatabaseUrl.parse("postgresql://app@db.example.com:5433/shop?sslmode=verify-full")

TARGET_CASES = {
    "the active one is down": (answers(local=DOWN), {"target-unreachable": "problem"}),
    "another one is down": (answers(prod=DOWN), {"target-unreachable": "warning"}),
    "none at all": (replace(WELL, targets=()), {"targets-none": "warning"}),
    "the list cannot be made": (
        replace(WELL, targets=(), targets_trouble=ConfigError("two targets have the name `prod`")),
        {"targets-unreadable": "problem"},
    ),
    "one is broken": (
        replace(WELL, targets=(*WELL.targets, target("qa", None, trouble=ConfigError("no URL")))),
        {"target-broken": "problem"},
    ),
    "a read-only standby": (
        answers(prod=answer(who("2", in_recovery=True))), {"target-read-only": "warning"},
    ),
    "local's database says that it is prod": (
        answers(local=answer(who("1", environment="prod"))), {"marker-contradicts": "problem"},
    ),
    "slow": (answers(prod=answer(who("2"), 1.5)), {"target-slow": "info"}),
    "prod's database under local's name": (
        answers(prod=answer(who("1"))), {"same-database": "problem"},
    ),
    "two names, none protected": (
        replace(
            WELL,
            targets=(WELL.targets[0], target("qa", LOCAL_AGAIN)),
            answers={LOCAL: answer(who("1")), LOCAL_AGAIN: answer(who("1"))},
        ),
        {"same-database": "warning"},
    ),
    "two names, both down": (
        replace(WELL, targets=(WELL.targets[0], target("qa", LOCAL_AGAIN)), answers={LOCAL: DOWN, LOCAL_AGAIN: DOWN}),
        {"same-database": "warning", "target-unreachable": "problem"},
    ),
    "a copy of prod's server is another database": (answers(prod=answer(who("1", "101"))), {}),
    "local that is far away": (
        replace(WELL, targets=(target("local", DIRECT),), answers={DIRECT: answer(who("1"))}),
        {"local-elsewhere": "warning"},
    ),
    "local in a container": (
        replace(WELL, targets=(target("local", ON_A_HOST),), answers={ON_A_HOST: answer(who("1"))}),
        {"local-elsewhere": "info", "tls-differs": "info"},
    ),
    "local on the network": (
        replace(WELL, targets=(target("local", ADDRESS),), answers={ADDRESS: answer(who("1"))}),
        {"local-elsewhere": "info"},
    ),
    "local through a tunnel": (
        replace(WELL, targets=(target("local", LOCAL, tunnel="port 5432: pid 9 (ssh -L ...)"),)),
        {"local-tunnel": "warning"},
    ),
    "prod on this machine": (
        replace(WELL, targets=(target("prod", LOCAL),)), {"protected-here": "info"},
    ),
    "TLS off": (
        replace(WELL, targets=(target("prod", UNENCRYPTED),), answers={UNENCRYPTED: answer(who("2"))}),
        {"tls-off": "warning"},
    ),
    "TLS that libpq and node-postgres see differently": (
        replace(WELL, targets=(target("prod", MISLEADING),), answers={MISLEADING: answer(who("2"))}),
        {"tls-differs": "warning"},
    ),
    "a note on the URL": (
        replace(WELL, targets=(target("local", NO_USER),), answers={NO_USER: answer(who("1"))}), {"url-note": "info"},
    ),
    "DIRECT_URL of another database": (
        replace(
            WELL,
            targets=(target("prod", PROD, urls=(("DATABASE_URL", PROD), ("DIRECT_URL", DIRECT))),),
            answers={PROD: answer(who("2")), DIRECT: answer(who("3"))},
        ),
        {"direct-elsewhere": "problem"},
    ),
    "DIRECT_URL of the same database": (
        replace(
            WELL,
            targets=(target("prod", PROD, urls=(("DATABASE_URL", PROD), ("DIRECT_URL", DIRECT))),),
            answers={PROD: answer(who("2")), DIRECT: answer(who("2"))},
        ),
        {},
    ),
    "servers of two versions": (
        answers(prod=answer(who("2", server_version="15.6"))), {"server-versions": "info"},
    ),
    "a reader's database without a name is down": (
        replace(
            WELL,
            readers=tuple(replace(one, url=one.url and DIRECT, targets=()) for one in READERS),
            answers={**WELL.answers, DIRECT: DOWN},
        ),
        {"target-unreachable": "problem", "database-unnamed": "warning"},
    ),
}  # fmt: skip


def migrations(**several: object) -> Facts:
    return replace(
        WELL, targets=tuple(replace(one, migrations=several.get(one.ref.name)) for one in WELL.targets)
    )


MIGRATION_CASES = {
    "pending on the active": (
        migrations(local=MigrationState(pending=("1",))),
        {"migrations-pending": "warning"},
    ),
    "pending on another": (migrations(prod=MigrationState(pending=("1",))), {"migrations-pending": "info"}),
    "failed": (migrations(prod=MigrationState(failed=("1",))), {"migrations-failed": "problem"}),
    "edited": (migrations(prod=MigrationState(edited=("1",))), {"migrations-edited": "warning"}),
    "unknown here": (migrations(local=MigrationState(missing=("1",))), {"migrations-missing": "warning"}),
    "not to be read": (migrations(local=DOWN), {"migrations-unread": "warning"}),
    "no migrations at all": (migrations(), {}),
}


def server(state: ServerState = ServerState.STOPPED, **changes: object) -> Facts:
    of_server = {name: changes.pop(name) for name in ("pids", "foreign", "hidden") if name in changes}
    return replace(WELL, server=replace(ServerFacts(SPEC, seen(state, **of_server)), **changes))  # type: ignore[arg-type]


def one_file(mode: int = 0o644, **changes: object) -> Facts:
    return replace(WELL, files=(replace(FileFacts(".env.local", mode, "me"), **changes),))  # type: ignore[arg-type]


def written(state: GeneratedState) -> Facts:
    return replace(WELL, generated=(f.GeneratedFacts("lib/prisma.ts", "client", state),))


PROJECT_CASES = {
    "stopped": (server(), {}),
    "half-dead": (server(ServerState.HALF_DEAD, pids=(7,)), {"server-half-dead": "problem"}),
    "in another pid namespace": (
        server(ServerState.HIDDEN, foreign=(3000,), hidden=("port 3000",)),
        {"server-hidden": "warning"},
    ),
    "ended by itself": (server(ServerState.EXITED), {"server-exited": "info"}),
    "the port is taken": (
        server(ServerState.FOREIGN, foreign=(3000,)), {"port-taken": "warning"},
    ),
    "a port beside it is taken": (
        server(ServerState.READY, pids=(7,), foreign=(3001,)), {"port-foreign": "info"},
    ),
    "another's lock": (
        server(next_lock="held", lock_holders=(9,)), {"next-lock-held": "warning"},
    ),
    "the server's own lock": (server(ServerState.READY, pids=(7,), next_lock="held"), {}),
    "a leftover lock": (server(next_lock="free"), {}),
    "a switch runs, its record beside it": (
        server(switch="dbswitch prod, pid 9", unfinished=True), {"switch-running": "info"},
    ),
    "a killed switch": (server(unfinished=True), {"switch-unfinished": "warning"}),
    "stale with a hot client": (server(ServerState.READY, pids=(7,), stale=(".env",)), {}),
    "stale without": (
        replace(server(ServerState.READY, pids=(7,), stale=(".env",)), hot_client=False),
        {"server-stale": "warning", "no-hot-client": "info"},
    ),
    "not to be looked at": (replace(WELL, server=ConfigError("no dev script")), {"server-unread": "warning"}),
    "read by all, nothing secret": (one_file(readable=True), {}),
    "read by all, a remote password": (
        one_file(readable=True, secret=True), {"file-readable-by-others": "warning"},
    ),
    "changed by all": (one_file(0o666, readable=True, writable=True), {"file-writable-by-others": "problem"}),
    "not ours": (one_file(ours=False), {"file-not-writable": "problem"}),
    "tracked with a remote password": (one_file(0o600, secret=True, tracked=True), {"file-tracked": "warning"}),
    "tracked with a local one": (one_file(0o600, tracked=True), {}),
    "an open state folder": (one_file(0o755, readable=True, private_place=True), {"state-folder-open": "warning"}),
    "edited": (written(GeneratedState.EDITED), {"generated-edited": "warning"}),
    "outdated": (written(GeneratedState.OUTDATED), {"generated-outdated": "warning"}),
    "newer": (written(GeneratedState.NEWER), {"generated-newer": "warning"}),
    "nothing generated": (
        replace(WELL, generated=(), hot_client=False, identity_route=False),
        {"no-hot-client": "info", "no-identity-route": "info"},
    ),
    "a route that asks an unused client": (
        replace(WELL, asks_elsewhere="app/api/x/route.ts does not ask lib/db.ts"), {"route-elsewhere": "warning"},
    ),
    "something unclear": (project(prisma=replace(PRISMA, notices=("assuming .env",))), {"project-unclear": "info"}),
}  # fmt: skip

CASES = {**MACHINES, **READER_CASES, **TARGET_CASES, **MIGRATION_CASES, **{f"project: {k}": v for k, v in PROJECT_CASES.items()}}  # fmt: skip


@pytest.mark.parametrize(("facts", "wanted"), CASES.values(), ids=CASES)
def test_exactly_this_is_found(facts, wanted):
    assert {one: level.value for one, level in found(facts).items()} == wanted


def test_every_finding_has_a_case_and_a_line_in_the_guide():
    guide = (ROOT / "docs" / "how-to" / "doctor.md").read_text(encoding="utf-8").partition("## Findings")[2]
    listed = {line.split("`")[1] for line in guide.splitlines() if line.startswith("| `")}
    seen = {one for facts, _ in CASES.values() for one in found(facts)}
    assert seen | {one.id for one in judge(WELL)} == listed
    named = {
        name
        for path in Path(doctor_rules.__file__).parent.glob("*_rules.py")
        for name in _NAMED.findall(path.read_text())
    }
    assert named <= listed


def test_no_password_is_in_any_finding():
    for facts, _ in CASES.values():
        for one in judge(facts):
            assert PASSWORD not in f"{one!r}"


def test_what_answered_decides_over_what_the_urls_say():
    facts = replace(WELL, answers={LOCAL: answer(who("1")), PROD: answer(who("1"))})
    assert agreement(facts, row(f.PRISMA_CLI, PROD)) is Agreement.SAME
    facts = replace(WELL, answers={LOCAL: answer(who("1")), LOCAL_AGAIN: answer(who("2"))})
    assert agreement(facts, row(f.PRISMA_CLI, LOCAL_AGAIN)) is Agreement.DIFFERENT
    assert agreement(facts, row(f.PRISMA_CLI, None)) is Agreement.NO_URL


@pytest.mark.parametrize(
    ("host", "where"),
    [
        ("localhost", Distance.HERE),
        ("127.0.0.1", Distance.HERE),
        ("[::1]", Distance.HERE),
        ("db", Distance.NEAR),
        ("host.docker.internal", Distance.NEAR),
        ("10.0.0.4", Distance.NEAR),
        ("db.example.com", Distance.FAR),
        ("8.8.8.8", Distance.FAR),
    ],
)
def test_a_host_is_here_near_or_far_by_its_name(host, where):
    assert distance(DatabaseUrl.parse(f"postgresql://a@{host}/b")) is where


def test_nobody_is_sent_to_a_protected_database():
    readers = tuple(replace(one, targets=()) for one in READERS)
    for order in (WELL.targets, WELL.targets[::-1]):
        unnamed = replace(WELL, readers=readers, targets=order)
        fixes = {one.fix for one in judge(unnamed) if one.id == "database-unnamed"}
        assert fixes == {"dbswitch local, or make it a target"}
    only = replace(WELL, readers=readers, targets=tuple(one for one in WELL.targets if one.ref.protected))
    assert {one.fix for one in judge(only) if one.id == "database-unnamed"} == {"make it a target"}


def test_every_fact_and_the_fix_have_a_line_of_their_own_in_the_text():
    facts = answers(local=ConfigError(DOWN.what, facts=("one", "two"), fix=DOWN.fix))
    text = as_text(facts, judge(facts), io.StringIO(), quiet=False, verbose=False)
    assert (
        "target-unreachable\n           one\n           two\n         fix: start the database server\n"
        in text
    )


def test_the_worst_comes_first_and_gives_the_level():
    several = tuple(DoctorFinding("url-note", level, level.value) for level in Level)
    assert [one.level for one in in_order(several)] == list(Level)[::-1]
    assert worst(several) is Level.PROBLEM
    assert worst(()) is Level.OK


def test_no_client_is_advised_where_prismas_own_engine_makes_it_impossible() -> None:
    facts = replace(WELL, generated=(), hot_client=False)
    [possible] = [one for one in judge(facts) if one.id == "no-hot-client"]
    assert possible.fix == "dbswitch generate client"
    [impossible] = [one for one in judge(replace(facts, no_client="own engine")) if one.id == "no-hot-client"]
    assert impossible.fix == ""
    assert "own engine" in impossible.facts[0]


def test_a_generated_client_that_the_app_does_not_use_is_named_with_the_one_that_it_uses() -> None:
    unused = "lib/prisma-client.ts is generated, but the app uses lib/prisma.ts (app/page.tsx:1 imports it)"
    [found] = [
        one
        for one in judge(replace(WELL, hot_client=False, unused_client=unused))
        if one.id == "no-hot-client"
    ]
    assert unused in found.facts


@pytest.mark.parametrize("target", ["local", "prod"])
def test_a_database_with_tables_and_no_history_is_to_be_baselined_and_not_migrated(target: str) -> None:
    state = MigrationState(pending=("1_init",), has_table=False, tables=4)
    [pending] = [one for one in judge(migrations(**{target: state})) if one.id == "migrations-pending"]
    assert "migrate resolve --applied" in pending.fix
    assert "migrate dev" not in pending.fix
    assert "which has 4 tables" in str(pending.facts)
