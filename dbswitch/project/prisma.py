"""The project's Prisma setup, determined without running it. Reads files only.

Rules: Prisma 7 loads no env file by itself, its `prisma.config.ts` does (https://www.prisma.io/docs, "Prisma Config");
before that the CLI loads `.env` of the project and of the schema's folder, unless there is a config file.
"""

from __future__ import annotations

import contextlib
import os
import re
from itertools import product
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from dbswitch.durable import read_regular_text
from dbswitch.project import javascript_text
from dbswitch.project.packages import installed_version
from dbswitch.project.prisma_config import ConfigFacts, read_config

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from dbswitch.project.packages import Manifest

_CONFIG_NAMES = tuple(
    f"{name}.{extension}"
    for name in ("prisma.config", ".config/prisma")
    for extension in ("ts", "mts", "cts", "js", "mjs", "cjs")
)
_COMMENT = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|//[^\n]*")
_BLOCK = re.compile(r"^\s*(datasource|generator)\s+(\w+)\s*\{(.*?)^\s*\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^\s*(\w+)\s*=\s*(.+?)\s*$", re.MULTILINE)
_MIGRATIONS_PATH = re.compile(r"\bmigrations['\"]?\s*:\s*\{[^}]*?\bpath['\"]?\s*:\s*['\"](?!/|\.\.)([^'\"]+)")
_ENV_CALL = re.compile(r"env\(\s*\"([^\"]+)\"\s*\)")

# Where the documentation of Prisma, Next.js and the T3 stack put it.
_FOLDERS: Final = (
    "lib", "src/lib", "server", "src/server", "app/lib", "src/app/lib", "utils", "src/utils", "src", "db",
)  # fmt: skip
_NAMES: Final = ("prisma", "db", "prisma-client", "database")
_EXTENSIONS: Final = ("ts", "js", "mts", "mjs")
CONSTRUCTS: Final = re.compile(r"\bnew\s+PrismaClient\b")
_READS: Final = re.compile(r"\benv(?:\.(\w+)|\[\s*[\"'`](\w+)[\"'`]\s*\])")


RUST_FREE = (6, 16)  # the first Prisma whose engine can be left out in production


class SchemaFacts(Struct, frozen=True):
    """The contents of a Prisma schema; `urls` are field and variable, as in `ConfigFacts`."""

    provider: str | None  # of the datasource: postgresql, ...
    urls: tuple[tuple[str, str], ...]
    generator: str | None  # prisma-client, prisma-client-js
    output: str | None
    engine_type: str | None = None


class PrismaInfo(Struct, frozen=True):
    """The project's Prisma.

    Attributes:
        url_variables: every variable that the config or the schema names as a URL.
        cli_variables: those that the CLI migrates through, the first that is set counts.
        studio_variables: the same for Prisma Studio.
        shadow_variables: those of the shadow database.
        env_files: what the CLI reads, highest precedence first.
        overriding: those of them that beat the process environment.
    """

    version: str
    installed: bool
    config_file: str | None
    schema: str | None  # file or folder, relative to the project
    provider: str | None
    url_variables: tuple[str, ...]
    generator: str | None
    output: str | None  # of the generated client, relative to the project
    env_files: tuple[str, ...]
    cli_variables: tuple[str, ...] = ()
    studio_variables: tuple[str, ...] = ()
    shadow_variables: tuple[str, ...] = ()
    overriding: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    engine_type: str | None = None  # what the generator's `engineType` says

    @property
    def release(self) -> tuple[int, ...]:
        """Major and minor version; empty where it is not known."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:2])

    @property
    def has_own_engine(self) -> bool:
        """Whether Prisma's own engine connects to the database, and no driver adapter that an app could exchange.

        Since Prisma 6.16 `engineType = "client"` does without it, Prisma 7 always does (Prisma documentation).
        """
        release = self.release
        return bool(release) and not (
            release >= (7,) or (release >= RUST_FREE and self.engine_type == "client")
        )


def read_prisma(root: Path, manifest: Manifest) -> PrismaInfo | None:
    """Return the Prisma setup of `root`; None if the project does not use it."""
    wanted = manifest.wants("prisma") or manifest.wants("@prisma/client")
    config_file = next((name for name in _CONFIG_NAMES if (root / name).is_file()), None)
    schema = _schema_path(root, manifest, None)
    if wanted is None and config_file is None and schema is None:
        return None
    facts = ConfigFacts() if config_file is None else read_config(_text(root / config_file), config_file)
    schema = _schema_path(root, manifest, facts.schema)
    places = [] if schema is None else [root / schema, *sorted((root / schema).rglob("*.prisma"))]
    said = parse_schema("\n".join(map(_text, places)))
    version = installed_version(root, "prisma") or installed_version(root, "@prisma/client")

    # The config's datasource replaces the schema's.
    configured = variables_of(facts.urls, "directUrl", "url", "connectionString")
    return PrismaInfo(
        version=version or wanted or "unknown",
        installed=version is not None,
        config_file=config_file,
        schema=schema,
        provider=said.provider,
        url_variables=tuple(dict.fromkeys((*variables_of(facts.urls), *variables_of(said.urls)))),
        generator=said.generator,
        output=_output(root, schema, said.output),
        env_files=_env_files(root, config_file, schema, facts, version or wanted),
        # Before Prisma 7 `directUrl` comes before `url` (Prisma documentation, "Datasource fields").
        cli_variables=configured or variables_of(said.urls, "directUrl", "url"),
        studio_variables=configured or variables_of(said.urls, "url"),
        shadow_variables=variables_of(facts.urls, "shadowDatabaseUrl")
        or variables_of(said.urls, "shadowDatabaseUrl"),
        overriding=facts.overriding,
        notices=facts.notices,
        engine_type=said.engine_type,
    )


def migrations_folder(root: Path, prisma: PrismaInfo | None) -> Path | None:
    """Return the folder of the migrations: from the Prisma config, else beside the schema; None if there is none."""
    if prisma is None:
        return None
    places: list[Path] = []
    if prisma.config_file is not None:  # a plain path only: no code is run
        source = javascript_text.without_comments(_text(root / prisma.config_file))
        places += [root / path for path in _MIGRATIONS_PATH.findall(source)[:1]]
    if prisma.schema is not None:
        schema = root / prisma.schema
        places += [schema / "migrations", schema.parent / "migrations"]
    return next((folder for folder in places if folder.is_dir()), None)


def variables_of(urls: tuple[tuple[str, str], ...], *fields: str) -> tuple[str, ...]:
    """Return the variables of these fields, in the order of the fields; all of them where none is named. Pure."""
    wanted = fields or tuple(field for field, _ in urls)
    return tuple(dict.fromkeys(name for field in wanted for one, name in urls if one == field))


def parse_schema(text: str) -> SchemaFacts:
    """Parse the text of a schema. Pure."""
    plain = _COMMENT.sub(lambda match: match[0] if match[0].startswith('"') else "", text)
    provider = generator = output = engine = None
    variables: dict[str, str] = {}
    for kind, _, body in _BLOCK.findall(plain):
        fields = dict(_FIELD.findall(body))
        if kind == "datasource":
            provider = _literal(fields.get("provider")) or provider
            for key in ("url", "directUrl", "shadowDatabaseUrl"):
                call = _ENV_CALL.search(fields.get(key, ""))
                if call is not None:
                    variables.setdefault(key, call[1])
        elif (_literal(fields.get("provider")) or "").startswith("prisma-client"):
            generator = generator or _literal(fields.get("provider"))
            output = output or _literal(fields.get("output"))
            engine = engine or _literal(fields.get("engineType"))
    return SchemaFacts(provider, tuple(variables.items()), generator, output, engine)


def _literal(text: str | None) -> str | None:
    found = javascript_text.strings(text or "")
    return found[0] if found else None


def _schema_path(root: Path, manifest: Manifest, configured: str | None) -> str | None:
    asked = configured or manifest.prisma_schema
    usual = ("prisma/schema.prisma", "schema.prisma", "prisma/schema")
    names = usual if asked is None else (asked.removeprefix("./").rstrip("/"),)
    return next((name for name in names if (root / name).exists()), None)


def _text(path: Path) -> str:
    try:
        return read_regular_text(path, errors="replace")
    except OSError:
        return ""


def _output(root: Path, schema: str | None, output: str | None) -> str | None:
    if output is None or schema is None:
        return None
    # Prisma resolves `output` against the folder of the schema file that holds the generator.
    return os.path.relpath(os.path.normpath(_folder_of(root / schema) / output), root)


def _env_files(
    root: Path, config_file: str | None, schema: str | None, facts: ConfigFacts, version: str | None
) -> tuple[str, ...]:
    if config_file is not None:
        return facts.env_files
    major = re.search(r"\d+", version or "")
    if major is not None and int(major[0]) >= 7:
        return ()
    beside = root if schema is None else _folder_of(root / schema)
    further = beside != root and (beside / ".env").is_file()
    return (".env", f"{beside.relative_to(root).as_posix()}/.env") if further else (".env",)


def _folder_of(schema: Path) -> Path:
    return schema if schema.is_dir() else schema.parent


def find_client_file(root: Path) -> tuple[str, str] | None:
    """Return the path, relative to the project, and the text of the file that constructs the client."""
    for folder, name, extension in product(_FOLDERS, _NAMES, _EXTENSIONS):
        path = f"{folder}/{name}.{extension}"
        with contextlib.suppress(OSError):
            text = read_regular_text(root / path, errors="replace")
            if CONSTRUCTS.search(text) is not None:
                return path, text
    return None


def variable_of_client(root: Path, known: Collection[str]) -> str | None:
    """Return which of the `known` variables the app's client is made from, as far as its file says."""
    found = find_client_file(root)
    if found is None:
        return None
    plain = javascript_text.without_comments(found[1])
    read = (match[1] or match[2] for match in _READS.finditer(plain))
    return next((name for name in read if name in known), None)
