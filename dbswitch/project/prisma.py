"""The project's Prisma setup, determined without running it. Reads files only.

Rules: Prisma 7 loads no env file by itself, its `prisma.config.ts` does (https://www.prisma.io/docs, "Prisma Config");
before that the CLI loads `.env` of the project and of the schema's folder, unless there is a config file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Final

from msgspec import Struct

from dbswitch.durable import text_or_empty
from dbswitch.project import javascript_text
from dbswitch.project.packages import Manifest, installed_version
from dbswitch.project.prisma_config import ConfigFacts, read_config

_ENDINGS = ("ts", "mts", "cts", "js", "mjs", "cjs")
_CONFIG_NAMES = tuple(f"{name}.{end}" for name in ("prisma.config", ".config/prisma") for end in _ENDINGS)
_COMMENT = re.compile(r"(?<!\\)\"(?:\\.|[^\"\\\n])*\"|//[^\n]*")
# Up to the next line that starts with `}` or with another block.
_BLOCK = re.compile(
    r"^[^\S\n]*(datasource|generator)\s+\w+\s*\{"
    r"([^\n]*\n(?:(?![^\S\n]*(?:\}|(?:datasource|generator)\s))[^\n]*\n)*)[^\S\n]*\}",
    re.MULTILINE,
)
_FIELD = re.compile(r"^[^\S\n]*(\w+)\s*=\s*(env\(\s*)?\"((?:\\.|[^\"\\\n])*)\"", re.MULTILINE)
_URLS: Final = ("url", "directUrl", "shadowDatabaseUrl")

# Where the documentation of Prisma, Next.js and the T3 stack put it.
_FOLDERS: Final = (
    "lib", "src/lib", "server", "src/server", "app/lib", "src/app/lib", "utils", "src/utils", "src", "db",
)  # fmt: skip
_NAMES: Final = ("prisma", "db", "prisma-client", "database")
_EXTENSIONS: Final = ("ts", "js", "mts", "mjs")
_CONSTRUCTS: Final = re.compile(r"\bnew\s+PrismaClient\b")
_READS: Final = re.compile(r"\benv(?:\.(\w+)|\[\s*[\"'`](\w+)[\"'`]\s*\])")


RUST_FREE = (6, 16)  # the first Prisma whose engine can be left out in production


class PrismaInfo(Struct, frozen=True):
    """The project's Prisma, without a version where it uses none; paths are relative to the project."""

    version: str = ""
    installed: bool = False
    config_file: str | None = None
    schema: str | None = None  # file or folder
    provider: str | None = None
    url_variables: tuple[str, ...] = ()  # every variable that the config or the schema names as a URL
    generator: str | None = None
    output: str | None = None  # of the generated client
    env_files: tuple[str, ...] = ()  # what the CLI reads, highest precedence first
    cli_variables: tuple[str, ...] = ()  # those that the CLI migrates through, the first that is set counts
    studio_variables: tuple[str, ...] = ()  # the same for Prisma Studio
    shadow_variables: tuple[str, ...] = ()
    overriding: tuple[str, ...] = ()  # those of `env_files` that beat the process environment
    notices: tuple[str, ...] = ()
    engine_type: str | None = None  # the generator's `engineType`
    migrations: str | None = None  # the folder that the config names

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
        return () < release < (7,) and not (release >= RUST_FREE and self.engine_type == "client")


def read_prisma(root: Path, manifest: Manifest) -> PrismaInfo:
    """Return the Prisma setup of `root`."""
    wanted = manifest.wants("prisma") or manifest.wants("@prisma/client")
    config_file = next((name for name in _CONFIG_NAMES if (root / name).is_file()), None)
    schema = _schema_path(root, manifest, None)
    if wanted is None and config_file is None and schema is None:
        return PrismaInfo()
    facts = ConfigFacts()
    if config_file is not None:
        facts = read_config(text_or_empty(root / config_file), config_file)
    schema = _schema_path(root, manifest, facts.schema)
    places = [] if schema is None else [root / schema, *sorted((root / schema).rglob("*.prisma"))]
    datasource, generator = parse_schema("\n".join(map(text_or_empty, places)))
    said = tuple((key, datasource[key]) for key in _URLS if key in datasource)
    version = installed_version(root, "prisma") or installed_version(root, "@prisma/client")

    # The config's datasource replaces the schema's.
    configured = variables_of(facts.urls, "directUrl", "url", "connectionString")
    return PrismaInfo(
        version=version or wanted or "unknown",
        installed=version is not None,
        config_file=config_file,
        schema=schema,
        provider=datasource.get("provider"),
        url_variables=tuple(dict.fromkeys((*variables_of(facts.urls), *variables_of(said)))),
        generator=generator.get("provider"),
        output=_output(root, schema, generator.get("output")),
        env_files=_env_files(root, config_file, schema, facts, version or wanted),
        # Before Prisma 7 `directUrl` comes before `url` (Prisma documentation, "Datasource fields").
        cli_variables=configured or variables_of(said, "directUrl", "url"),
        studio_variables=configured or variables_of(said, "url"),
        shadow_variables=variables_of(facts.urls, "shadowDatabaseUrl")
        or variables_of(said, "shadowDatabaseUrl"),
        overriding=facts.overriding,
        notices=facts.notices,
        engine_type=generator.get("engineType"),
        migrations=facts.migrations,
    )


def migrations_folder(root: Path, prisma: PrismaInfo) -> Path | None:
    """Return the folder of the migrations: from the Prisma config, else beside the schema; None if there is none."""
    places = [root / prisma.migrations] if prisma.migrations is not None else []
    if prisma.schema is not None:
        schema = root / prisma.schema
        places += [schema / "migrations", schema.parent / "migrations"]
    return next((folder for folder in places if folder.is_dir()), None)


def variables_of(urls: tuple[tuple[str, str], ...], *fields: str) -> tuple[str, ...]:
    """Return the variables of these fields, in the order of the fields; all of them where none is named. Pure."""
    wanted = fields or tuple(field for field, _ in urls)
    return tuple(dict.fromkeys(name for field in wanted for one, name in urls if one == field))


def parse_schema(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fields of the datasource and of the client's generator; of a URL, the variable it is read from. Pure."""
    plain = _COMMENT.sub(lambda match: match[0] if match[0].startswith('"') else "", text)
    datasource: dict[str, str] = {}
    generator: dict[str, str] = {}
    for kind, body in _BLOCK.findall(plain):
        fields = {key: value for key, env, value in _FIELD.findall(body) if bool(env) == (key in _URLS)}
        if kind == "datasource":
            datasource |= fields
        elif fields.get("provider", "").startswith("prisma-client"):
            generator = fields | generator
    return datasource, generator


def _schema_path(root: Path, manifest: Manifest, configured: str | None) -> str | None:
    asked = configured or manifest.prisma_schema
    usual = ("prisma/schema.prisma", "schema.prisma", "prisma/schema")
    names = usual if asked is None else (asked.removeprefix("./").rstrip("/"),)
    return next((name for name in names if (root / name).exists()), None)


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


def constructs_client(text: str) -> bool:
    """Return whether the text of a file constructs a Prisma client, comments aside. Pure."""
    plain = javascript_text.without_comments(text) if _CONSTRUCTS.search(text) else ""
    return _CONSTRUCTS.search(plain) is not None


def find_client_file(root: Path) -> tuple[str, str] | None:
    """Return the path, relative to the project, and the text of the file that constructs the client."""
    for folder, name, extension in product(_FOLDERS, _NAMES, _EXTENSIONS):
        path = f"{folder}/{name}.{extension}"
        text = text_or_empty(root / path)
        if _CONSTRUCTS.search(text) is not None:
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
