"""Which env files a `prisma.config.ts` loads, and which variables it takes its URLs from. Pure: text in, facts out.

Understood: `dotenv/config`, `config()` of dotenv with `path` (a string, an array, `path.resolve(...)`) and `override`,
`process.loadEnvFile()`, `loadEnvConfig()` of @next/env, `@dotenvx/dotenvx/config`, `dotenv-flow/config`.
Anything else that looks like loading is reported, and `.env` assumed.
"""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct

from dbswitch.project import javascript_text

_NEXT_DEV = (".env.development.local", ".env.local", ".env.development", ".env")
_NEXT_PRODUCTION = (".env.production.local", ".env.local", ".env.production", ".env")
_IMPORT = re.compile(
    rf"(?:\bimport\s*(?:[^'\"`;()]*?\bfrom\s*)?|\b(?:require|import)\s*\(\s*){javascript_text.STRING}"
)
_IMPORTED = re.compile(
    rf"\bimport\s+(?P<names>[^'\"`;]+?)\s+from\s*{javascript_text.STRING}"
    rf"|\b(?:const|let|var)\s+(?P<bound>[^=;]+?)\s*=\s*(?:require|await\s+import)\s*\(\s*{javascript_text.STRING}"
)
_REQUIRED_CALL = re.compile(r"\brequire\s*\(\s*(?P<q>['\"])dotenv(?P=q)\s*\)\s*\.config\s*(?=\()")
_ENV_CALL = re.compile(
    r"(?<![\w.])env(?:<[^>]*>)?\(\s*['\"`](\w+)['\"`]\s*\)|\bprocess\.env(?:\.(\w+)|\[\s*['\"](\w+)['\"]\s*\])"
)
_URL_FIELD = re.compile(r"\b(url|directUrl|shadowDatabaseUrl|connectionString)['\"]?\s*:\s*([^,}\n]+)")
_SCHEMA = re.compile(rf"\bschema['\"]?\s*:\s*([^,}}\n]*?{javascript_text.STRING})")
_OVERRIDE = re.compile(r"\boverride['\"]?\s*:\s*true\b")
_PATH_FIELD = re.compile(r"\bpath['\"]?\s*:\s*")
_LOOKS_LIKE_LOADING = re.compile(
    r"dotenv|loadEnv|env-?cmd|envfile|t3-oss|varlock|infisical|doppler", re.IGNORECASE
)
_AT_IMPORT = 0  # `import 'dotenv/config'` runs before every statement of the file (ECMA-262 16.2)


class ConfigFacts(Struct, frozen=True):
    """The contents of a Prisma config.

    Attributes:
        cli_variables: what the CLI connects with, the first that is set counts: directUrl, then url.
        shadow_variables: those of shadowDatabaseUrl.
        env_files: highest precedence first.
        overriding: those of them that beat the process environment.
    """

    schema: str | None = None
    url_variables: tuple[str, ...] = ()
    cli_variables: tuple[str, ...] = ()
    shadow_variables: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    overriding: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class _Load(Struct, frozen=True):
    position: int
    files: tuple[str, ...]
    override: bool = False


def read_config(text: str, name: str) -> ConfigFacts:
    """Return the facts in the source text of a Prisma config file called `name`."""
    source = javascript_text.without_comments(text)
    loads, unclear = _loads(source)
    notices: list[str] = []
    if unclear or (not loads and _LOOKS_LIKE_LOADING.search(source)):
        notices.append(f"{name} loads env files in a way dbswitch does not follow: assuming .env")
        loads = (*loads, _Load(len(source), (".env",)))
    files = _order(loads)
    outside = [file for file in files if file.startswith("../")]
    if outside:
        notices.append(
            f"{name} loads {', '.join(outside)} from outside the project: dbswitch reads but does not change it"
        )
    fields = _url_fields(source)
    direct = _names_of(fields, "directUrl")
    return ConfigFacts(
        schema=_schema(source),
        url_variables=_names_of(fields),
        cli_variables=tuple(dict.fromkeys((*direct, *_names_of(fields, "url", "connectionString")))),
        shadow_variables=_names_of(fields, "shadowDatabaseUrl"),
        env_files=files,
        overriding=tuple(
            file for file in files if any(load.override and file in load.files for load in loads)
        ),
        notices=tuple(notices),
    )


def _order(loads: tuple[_Load, ...]) -> tuple[str, ...]:
    # A loader leaves a variable that is already set alone, so the earlier file wins; `override` puts it on top.
    # Within one overriding call the later file wins (dotenv's `path` array).
    order: list[str] = []
    for load in sorted(loads, key=lambda one: one.position):
        if load.override:
            order = [*reversed(load.files), *(file for file in order if file not in load.files)]
        else:
            order.extend(file for file in load.files if file not in order)
    return tuple(dict.fromkeys(order))


def _loads(source: str) -> tuple[tuple[_Load, ...], bool]:
    loads: list[_Load] = []
    unclear = False
    for found in _IMPORT.finditer(source):
        match _text(found, 1):
            case "dotenv/config" | "@dotenvx/dotenvx/config" | "dotenv-expand/config":
                position = found.start() if found[0].startswith(("require", "import(")) else _AT_IMPORT
                loads.append(_Load(position, (".env",)))
            case "dotenv-flow/config":
                loads.append(_Load(_AT_IMPORT, (".env.local", ".env")))
            case _:
                pass
    calls = _loader_calls(source)
    for found in _REQUIRED_CALL.finditer(source):
        calls.append((found.start(), found.end(), "config"))
    for start, parenthesis, kind in calls:
        arguments = javascript_text.call_arguments(source, parenthesis)
        if kind == "loadEnvConfig":
            loads.append(_Load(start, _next_files(arguments)))
            continue
        files = _config_files(arguments) if kind == "config" else _load_env_file(arguments)
        if files is None:
            unclear = True
        else:
            loads.append(_Load(start, files, override=kind == "config" and bool(_OVERRIDE.search(arguments))))
    return tuple(loads), unclear


def _loader_calls(source: str) -> list[tuple[int, int, str]]:
    # The two long names are known also where they are destructured from an import later on.
    patterns = {r"process\.loadEnvFile": "loadEnvFile", "loadEnvConfig": "loadEnvConfig"}
    for found in _IMPORTED.finditer(source):
        names = found["names"] or found["bound"]
        module = _text(found, 2) if found["names"] is not None else _text(found, 6)
        if module in {"dotenv", "@dotenvx/dotenvx"}:
            patterns |= _bound(names, "config", "config")
        elif module == "@next/env":
            patterns |= _bound(names, "loadEnvConfig", "loadEnvConfig")
        elif module in {"process", "node:process"}:
            patterns |= _bound(names, "loadEnvFile", "loadEnvFile")
    calls: list[tuple[int, int, str]] = []
    for pattern, kind in patterns.items():
        calls.extend(
            (m.start(), m.end() - 1, kind) for m in re.finditer(rf"(?<![\w.$]){pattern}\s*\(", source)
        )
    return calls


def _bound(names: str, export: str, kind: str) -> dict[str, str]:
    """Return the patterns under which `export` can be called, given the names an import binds."""
    patterns: dict[str, str] = {}
    braces = re.search(r"\{([^}]*)\}", names)
    if braces is not None:
        for part in braces[1].split(","):
            words = re.split(r"\s+as\s+|\s*:\s*", part.strip())
            if words[0] == export:
                patterns[re.escape(words[-1])] = kind
    whole = re.sub(r"\{[^}]*\}|\*\s*as\s+|,|\btype\b", " ", names).split()
    for name in whole:
        patterns[rf"{re.escape(name)}\.{export}"] = kind
    return patterns


def _config_files(arguments: str) -> tuple[str, ...] | None:
    at = _PATH_FIELD.search(arguments)
    if at is None:
        return (".env",) if not re.search(r"\bpath\b|\.\.\.", arguments) else None
    rest = arguments[at.end() :]
    if rest.startswith("["):
        items = _split_arguments(javascript_text.call_arguments(rest, 0))
        files = [_file(item) for item in items]
    else:
        files = [_file(_split_arguments(rest)[0])]
    known = tuple(file for file in files if file is not None)
    return known if len(known) == len(files) else None


def _load_env_file(arguments: str) -> tuple[str, ...] | None:
    if not arguments.strip():
        return (".env",)
    file = _file(arguments)
    return None if file is None else (file,)


def _next_files(arguments: str) -> tuple[str, ...]:
    parts = _split_arguments(arguments)
    dev = parts[1].strip() if len(parts) > 1 else "false"
    return _NEXT_PRODUCTION if dev in {"false", "undefined", "!1"} else _NEXT_DEV


def _split_arguments(text: str) -> list[str]:
    """Split at the commas that stand outside strings and brackets."""
    parts, depth, begin, position = [], 0, 0, 0
    string = re.compile(javascript_text.STRING)
    while position < len(text):
        token = string.match(text, position)
        if token is not None:
            position = token.end()
            continue
        if text[position] in "([{":
            depth += 1
        elif text[position] in ")]}":
            depth -= 1
            if depth < 0:
                break
        elif text[position] == "," and depth == 0:
            parts.append(text[begin:position])
            begin = position + 1
        position += 1
    parts.append(text[begin:position])
    return [part.strip() for part in parts if part.strip()]


def _file(expression: str) -> str | None:
    """Return the path an expression gives, relative to the project: a literal, or path.resolve/join of literals."""
    literals = javascript_text.strings(expression)
    if not literals or "${" in expression or "?" in re.sub(javascript_text.STRING, "", expression):
        return None
    path = posixpath.normpath(posixpath.join(*literals))
    return path if not path.startswith("/") else None


def _url_fields(source: str) -> tuple[tuple[str, str], ...]:
    """Return the field and the variable of every URL that the config takes from the environment, in order."""
    return tuple(
        (found[1], next(group for group in call.groups() if group))
        for found in _URL_FIELD.finditer(source)
        for call in _ENV_CALL.finditer(found[2])
    )


def _names_of(fields: tuple[tuple[str, str], ...], *wanted: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for field, name in fields if not wanted or field in wanted))


def _schema(source: str) -> str | None:
    found = _SCHEMA.search(source)
    return _file(found[1]) if found is not None else None


def _text(found: re.Match[str], first: int) -> str | None:
    return next((group for group in found.groups()[first - 1 : first + 2] if group is not None), None)
