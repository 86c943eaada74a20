"""Models of the real readers, which the differential tests compare with the programs: what each gets from env files.

npm `dotenv` 16 and 17 (one parser), `@next/env` of Next.js 16 (that parser, then expansion), python-dotenv (the library
itself, as the independent second reader), bash `source`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

from dbswitch.envfiles import dotenv_syntax, shell

# A reference that contains itself grows until Node's stack ends (about ten thousand calls deep) or its heap does;
# real files have neither this many references in one value nor a value of this size.
_EXPANSIONS = 1000
_EXPANDED_CHARACTERS = 1 << 20
_DOLLAR = re.compile(r"(?<!\\)\$")
_REFERENCE = re.compile(r"(?<!\\)\$\{?([A-Za-z0-9_]+)(?::-([^}\\]*))?\}?")
_REPLACEMENT = re.compile(r"\$([$&`'])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}\Z")
_POSIX_REFERENCE = re.compile(r"\$\{([^}:]*)(?::-([^}]*))?\}")


class ExpansionOverflowError(Exception):
    """A value refers to itself: @next/env then drops every binding of that file."""


def dotenv(data: bytes) -> dict[str, str]:
    """Return what npm dotenv 16 and 17 parse; the Prisma CLI reads `.env` through it."""
    # Node decodes each broken sequence as one replacement character.
    return dotenv_syntax.parse(data.decode("utf-8", "replace"))


def _js_replace(text: str, pattern: str, replacement: str) -> str:
    """`text.replace(pattern, replacement)` of JavaScript: the first occurrence, and `$` patterns are special."""
    before, _, after = text.partition(pattern)
    meaning = {"$": "$", "&": pattern, "`": before, "'": after}
    return before + _REPLACEMENT.sub(lambda m: meaning[m[1]], replacement) + after


def _interpolate(value: str, environment: Mapping[str, str], parsed: Mapping[str, str]) -> str:
    for _ in range(_EXPANSIONS):
        dollars = [m.start() for m in _DOLLAR.finditer(value)]
        if not dollars:
            return value
        # The reference is looked for behind the last dollar only, cut off from what stands before it.
        found = _REFERENCE.search(value[dollars[-1] :])
        if found is None:
            return value
        meant = environment.get(found[1]) or found[2] or parsed.get(found[1]) or ""
        value = _js_replace(value, found[0], meant)
        if len(value) > _EXPANDED_CHARACTERS:
            break
    raise ExpansionOverflowError


def expand(parsed: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return `parsed` with `$NAME`, `${NAME}`, `${NAME:-default}` expanded as @next/env does. Raises ExpansionOverflowError.

    A key that `environment` has takes its value from there, and that value is expanded as well.
    """
    values = dict(parsed)
    # JavaScript walks keys that look like array indexes first.
    indexes = sorted(filter(_INDEX.match, values), key=int)
    for key in dict.fromkeys((*indexes, *values)):
        source = environment[key] if key in environment else values[key]
        values[key] = _interpolate(source, environment, values).replace("\\$", "$")
    return values


def next_env_by_file(
    files: Sequence[tuple[str, bytes]], ambient: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return what @next/env reads from each file (highest precedence first), by name; {} for a file that it drops completely."""
    environment = dict(ambient)
    read: dict[str, dict[str, str]] = {}
    for name, data in files:
        try:
            read[name] = expand(dotenv(data), environment)
        except ExpansionOverflowError:
            read[name] = {}
        # Each file's values are visible to the expansions in the files of lower precedence.
        environment.update(read[name])
    return read


def next_env(files: Sequence[tuple[str, bytes]], ambient: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that @next/env leaves: `ambient`, and what the files (highest precedence first) add to it.

    An ambient variable that is empty counts as set; one that a file binds as well is left expanded.
    """
    environment = dict(ambient)
    added: dict[str, str] = {}
    for values in next_env_by_file(files, ambient).values():
        environment |= values
        added = {key: value for key, value in values.items() if key not in ambient} | added
    return environment | added


def python_dotenv_raw(data: bytes) -> dict[str, str]:
    """Return the bindings python-dotenv sees, before it interpolates; keys without `=` are left out."""
    from dotenv.parser import parse_stream

    bindings = parse_stream(io.StringIO(data.decode("utf-8", "replace"), newline=""))
    return {b.key: b.value for b in bindings if b.key is not None and b.value is not None}


def python_dotenv(data: bytes) -> dict[str, str]:
    """Return what python-dotenv's `dotenv_values` reads, `${NAME}` interpolated against the file."""
    read: dict[str, str] = {}
    for key, raw in python_dotenv_raw(data).items():
        read[key] = _POSIX_REFERENCE.sub(lambda m: read.get(m[1], m[2] or ""), raw)
    return read


def bash_reading(data: bytes) -> shell.ShellReading:
    """Return what bash `source` binds, and where the model stops."""
    return shell.source(data.decode("utf-8", "surrogateescape"))


def bash_source(data: bytes) -> dict[str, str]:
    """Return the variables whose value after bash `source` is certain."""
    return {key: value for key, value in bash_reading(data).values.items() if value is not None}
