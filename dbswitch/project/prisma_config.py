"""Which env files a `prisma.config.ts` loads, and which variables it takes its URLs from. Pure: text in, facts out.

Understood: `dotenv/config`, `config()` of dotenv with `path` (a string, an array, `path.resolve(...)`) and `override`,
`process.loadEnvFile()`, `loadEnvConfig()` of @next/env, `@dotenvx/dotenvx/config`, `dotenv-flow/config`; and of URLs
`env('NAME')` and `process.env.NAME`. Anything else is reported, and for env files `.env` assumed.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from dbswitch.envfiles.precedence import DEV_FILES, START_FILES
from dbswitch.project.javascript_text import STRING, strings, without_comments

_LOADING_MODULE = r"(\b(?:require|import)\s*\(\s*)?['\"`](?:dotenv|@dotenvx/dotenvx|dotenv-expand|(dotenv-flow))/config['\"`]"
_DOTENV = re.compile(r"['\"`](?:dotenv|@dotenvx/dotenvx)['\"`]")
_RENAMED = re.compile(r"\bconfig\s*(?:\bas\b|:)\s*(\w+)")
_ENV_CALL = r"(?<![\w.])env(?:<[^<>]*>)?\(\s*['\"`](\w+)['\"`]\s*\)|\bprocess\.env(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])"
# A value goes on with the next line after an operator or before one.
_URL_FIELD = (
    r"\b(url|directUrl|shadowDatabaseUrl|connectionString)['\"]?\s*:\s*(?=\S)"
    r"((?:[^,}\n]|(?<=[?|:])\n|\n\s*(?=\?|\|\||:))+)"
)
# The arguments of a call, with calls among them.
_ARGUMENTS = r"\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)"
_FILE = rf"(?:{STRING}|[\w.]+\((?:[\w.\s,]|\(\)|{STRING})*{STRING}\s*\))"
_PATH_OPTION = rf"\bpath\b(?!\.)['\"]?\s*:?\s*({_FILE}\s*(?=[,}}])|\[[^\]]*\]|[^,}}]*)"
_MOST_NAMES = 20  # each is searched in the whole text
_OVERRIDE = re.compile(r"\boverride['\"]?\s*:\s*true\b")
_SCHEMA = rf"\bschema['\"]?\s*:\s*({_FILE})"
_LOOKS_LIKE_LOADING = r"(?i)dotenv|loadEnv|env-?cmd|envfile|t3-oss|varlock|infisical|doppler"
_MIGRATIONS = r"\bmigrations['\"]?\s*:\s*\{(?:[^{}]|\{[^{}]*\})*?\bpath['\"]?\s*:\s*['\"](?!/|\.\.)([^'\"]+)"


class ConfigFacts(Struct, frozen=True):
    """The contents of a Prisma config."""

    schema: str | None = None
    urls: tuple[tuple[str, str], ...] = ()  # field and variable of those from the environment, in order
    env_files: tuple[str, ...] = ()  # highest precedence first
    overriding: tuple[str, ...] = ()  # those of them that beat the process environment
    notices: tuple[str, ...] = ()
    migrations: str | None = None  # the folder


def read_config(text: str, name: str) -> ConfigFacts:
    """Return the facts in the source text of a Prisma config file called `name`."""
    source = without_comments(text)
    loads = sorted(_loads(source), key=lambda load: load[0])
    notices: list[str] = []
    if any(files is None for _, files, _ in loads) or (not loads and re.search(_LOOKS_LIKE_LOADING, source)):
        notices.append(f"{name} loads env files in a way dbswitch does not follow: assuming .env")
        loads.append((len(source), (".env",), False))
    # A loader leaves a variable that is already set alone, so the earlier file wins; `override` puts it on top.
    # Within one overriding call the later file wins (dotenv's `path` array).
    order: list[str] = []
    overriding: set[str] = set()
    for _, files, override in loads:
        order = [*reversed(files or ()), *order] if override else [*order, *(files or ())]
        overriding.update(files or () if override else ())
    order = list(dict.fromkeys(order))
    if outside := ", ".join(file for file in order if file.startswith("../")):
        far = f"{name} loads {outside} from outside the project"
        notices.append(f"{far}: dbswitch reads but does not change it")
    urls: list[tuple[str, str]] = []
    for field, expression in re.findall(_URL_FIELD, source):
        variables = ["".join(groups) for groups in re.findall(_ENV_CALL, expression)]
        urls += ((field, variable) for variable in variables)
        if not variables and field in {"url", "directUrl"}:
            unknown = "dbswitch does not know which variable the Prisma CLI uses"
            notices.append(f"{field} is computed in {name}: {unknown}")
    schema, migrations = re.search(_SCHEMA, source), re.search(_MIGRATIONS, source)
    path = _files(schema[1]) if schema is not None else None
    return ConfigFacts(
        schema=path[0] if path else None,
        urls=tuple(urls),
        env_files=tuple(order),
        overriding=tuple(file for file in order if file in overriding),
        notices=tuple(notices),
        migrations=migrations[1] if migrations is not None else None,
    )


def _loads(source: str) -> Iterator[tuple[int, tuple[str, ...] | None, bool]]:
    """Yield the position of each load, its files (None: not understood) and whether they beat what is set already."""
    for found in re.finditer(_LOADING_MODULE, source):
        # `import 'dotenv/config'` runs before every statement of the file (ECMA-262 16.2).
        yield found.start() if found[1] else 0, (".env.local", ".env") if found[2] else (".env",), False
    # A loader is known by its name, wherever it was imported from; `config` only where dotenv is imported.
    names = ["loadEnvFile", "loadEnvConfig"]
    if _DOTENV.search(source):
        names += ["config", *dict.fromkeys(_RENAMED.findall(source)[:_MOST_NAMES])]
    for call in re.finditer(rf"(?<![\w$])({'|'.join(names)})\s*{_ARGUMENTS}", source):
        arguments, override = call[2].strip(), False
        files: tuple[str, ...] | None = None
        if call[1] == "loadEnvConfig":
            mode = re.sub(_ARGUMENTS, "", arguments).partition(",")[2].partition(",")[0].strip()
            files = START_FILES if mode in {"", "false", "undefined", "!1"} else DEV_FILES
        elif call[1] == "loadEnvFile" or not arguments:
            files = _files(arguments or "'.env'")
        elif arguments.startswith("{") and "..." not in arguments:
            path = re.search(_PATH_OPTION, arguments)
            files = _files(path[1] if path else "'.env'")
            override = _OVERRIDE.search(arguments) is not None
        yield call.start(), files, override


def _files(expression: str) -> tuple[str, ...] | None:
    """Return the paths that a string, path.resolve/join of strings, or an array of them gives; None if one is not known."""
    if not re.fullmatch(rf"(?:{_FILE}|\[\s*(?:{_FILE}\s*(?:,\s*)?)*\])", expression.strip()):
        return None
    files = [posixpath.normpath(posixpath.join(*strings(one[0]))) for one in re.finditer(_FILE, expression)]
    return None if any(file.startswith("/") for file in files) else tuple(files)
