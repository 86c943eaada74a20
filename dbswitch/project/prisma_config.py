"""Which env files a `prisma.config.ts` loads, and which variables it takes its URLs from. Pure: text in, facts out.

Understood: `dotenv/config`, `config()` of dotenv with `path` (a string, an array, `path.resolve(...)`) and `override`,
`process.loadEnvFile()`, `loadEnvConfig()` of @next/env, `@dotenvx/dotenvx/config`, `dotenv-flow/config`; and of URLs
`env('NAME')` and `process.env.NAME`. Anything else is reported, and for env files `.env` assumed.
"""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct

from dbswitch.project.javascript_text import STRING, strings, without_comments

_NEXT_DEV = (".env.development.local", ".env.local", ".env.development", ".env")
_NEXT_PRODUCTION = (".env.production.local", ".env.local", ".env.production", ".env")
_LOADING_MODULE = re.compile(
    r"(?P<call>\b(?:require|import)\s*\(\s*)?['\"`]"
    r"(?:(?P<flow>dotenv-flow)|dotenv|@dotenvx/dotenvx|dotenv-expand)/config['\"`]"
)
_DOTENV = re.compile(r"['\"`](?:dotenv|@dotenvx/dotenvx)['\"`]")
_RENAMED = re.compile(r"\bconfig\s*(?:\bas\b|:)\s*(\w+)")
_ENV_CALL = re.compile(
    r"(?<![\w.])env(?:<[^>]*>)?\(\s*['\"`](\w+)['\"`]\s*\)|\bprocess\.env(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])"
)
# A value goes on with the next line after an operator or before one.
_URL_FIELD = re.compile(
    r"\b(url|directUrl|shadowDatabaseUrl|connectionString)['\"]?\s*:\s*"
    r"((?:[^,}\n]|(?<=[?|:])\n|\n(?=\s*(?:\?|\|\||:)))+)"
)
# The arguments of a call, with calls among them.
_ARGUMENTS = r"\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)"
_FILE = rf"(?:{STRING}|[\w.]+\((?:[\w.\s,]|\(\)|{STRING})*{STRING}\s*\))"
_PATH_OPTION = re.compile(rf"\bpath\b(?!\.)['\"]?\s*:?\s*({_FILE}\s*(?=[,}}])|\[[^\]]*\]|[^,}}]*)")
_OVERRIDE = re.compile(r"\boverride['\"]?\s*:\s*true\b")
_SCHEMA = re.compile(rf"\bschema['\"]?\s*:\s*({_FILE})")
_LOOKS_LIKE_LOADING = re.compile(
    r"dotenv|loadEnv|env-?cmd|envfile|t3-oss|varlock|infisical|doppler", re.IGNORECASE
)
_AT_IMPORT = 0  # `import 'dotenv/config'` runs before every statement of the file (ECMA-262 16.2)


class ConfigFacts(Struct, frozen=True):
    """The contents of a Prisma config.

    Attributes:
        urls: field and variable of every URL that it takes from the environment, in order.
        env_files: highest precedence first.
        overriding: those of them that beat the process environment.
    """

    schema: str | None = None
    urls: tuple[tuple[str, str], ...] = ()
    env_files: tuple[str, ...] = ()
    overriding: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class _Load(Struct, frozen=True):
    position: int
    files: tuple[str, ...] | None  # None: not understood
    override: bool = False


def read_config(text: str, name: str) -> ConfigFacts:
    """Return the facts in the source text of a Prisma config file called `name`."""
    source = without_comments(text)
    loads = sorted(_loads(source), key=lambda load: load.position)
    notices: list[str] = []
    if any(load.files is None for load in loads) or (not loads and _LOOKS_LIKE_LOADING.search(source)):
        notices.append(f"{name} loads env files in a way dbswitch does not follow: assuming .env")
        loads.append(_Load(len(source), (".env",)))
    # A loader leaves a variable that is already set alone, so the earlier file wins; `override` puts it on top.
    # Within one overriding call the later file wins (dotenv's `path` array).
    order: list[str] = []
    for load in loads:
        files = load.files or ()
        order = [*reversed(files), *order] if load.override else [*order, *files]
        order = list(dict.fromkeys(order))
    outside = [file for file in order if file.startswith("../")]
    if outside:
        notices.append(
            f"{name} loads {', '.join(outside)} from outside the project: dbswitch reads but does not change it"
        )
    urls: list[tuple[str, str]] = []
    for field, expression in _URL_FIELD.findall(source):
        variables = ["".join(groups) for groups in _ENV_CALL.findall(expression)]
        urls += ((field, variable) for variable in variables)
        if not variables and field in {"url", "directUrl"}:
            notices.append(
                f"{field} is computed in {name}: dbswitch does not know which variable the Prisma CLI uses"
            )
    schema = _SCHEMA.search(source)
    path = _files(schema[1]) if schema is not None else None
    return ConfigFacts(
        schema=path[0] if path else None,
        urls=tuple(urls),
        env_files=tuple(order),
        overriding=tuple(
            file for file in order if any(load.override and file in (load.files or ()) for load in loads)
        ),
        notices=tuple(notices),
    )


def _loads(source: str) -> list[_Load]:
    loads = [
        _Load(
            found.start() if found["call"] else _AT_IMPORT,
            (".env.local", ".env") if found["flow"] else (".env",),
        )
        for found in _LOADING_MODULE.finditer(source)
    ]
    # A loader is known by its name, wherever it was imported from; `config` only where dotenv is imported.
    names = ["loadEnvFile", "loadEnvConfig"]
    if _DOTENV.search(source):
        names += ["config", *_RENAMED.findall(source)]
    for call in re.finditer(rf"(?<![\w$])({'|'.join(names)})\s*{_ARGUMENTS}", source):
        arguments, override = call[2].strip(), False
        if call[1] == "loadEnvConfig":
            mode = re.sub(_ARGUMENTS, "", arguments).partition(",")[2].partition(",")[0].strip()
            files: tuple[str, ...] | None = (
                _NEXT_PRODUCTION if mode in {"", "false", "undefined", "!1"} else _NEXT_DEV
            )
        elif call[1] == "loadEnvFile" or not arguments:
            files = _files(arguments or "'.env'")
        else:
            path = _PATH_OPTION.search(arguments)
            known = arguments.startswith("{") and "..." not in arguments
            files = _files(path[1] if path else "'.env'") if known else None
            override = known and _OVERRIDE.search(arguments) is not None
        loads.append(_Load(call.start(), files, override))
    return loads


def _files(expression: str) -> tuple[str, ...] | None:
    """Return the paths that a string, path.resolve/join of strings, or an array of them gives; None if one is not known."""
    if not re.fullmatch(rf"(?:{_FILE}|\[(?:\s*{_FILE}\s*,?)*\s*\])", expression.strip()):
        return None
    files = (posixpath.normpath(posixpath.join(*strings(one[0]))) for one in re.finditer(_FILE, expression))
    found = tuple(files)
    return None if any(file.startswith("/") for file in found) else found
