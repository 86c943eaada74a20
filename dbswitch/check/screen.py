"""The everyday commit, answered in little more than the interpreter's own time: is there surely nothing to find?

A hook that runs at every commit must not be felt. This module looks at the staged content and the project's env files
with a few expressions and no other import than `os` and `re`. It says "clean" only when no rule can find anything;
at the least doubt it says nothing, and the engine (`engine.py`) judges. A test runs both on the whole corpus.

What the hook's rules (`Scope.INDEX`) can find, and what rules it out here:

* env files that are staged, tracked or not ignored: there is none of them;
* a URL with a password: the scheme does not appear;
* secrets and hosts of protected targets: no unbroken piece of one appears (`needles.py`);
* the active target is protected: no host of a protected target in any other binding or in the process environment;
* undefined variables: every name that staged code reads is one that an env file binds.
"""

from __future__ import annotations

import os
import re

from dbswitch.check import git, needles, paths

_PROTECTED_FILES = ("prod.env", "production.env")
_PROTECTED_SUFFIXES = (b"_PROD", b"_PRODUCTION")
_LINE = re.compile(rb"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*(.*)$", re.MULTILINE)
_URL_PARTS = re.compile(rb"//[^:@/]*:?(.*)@(\[[^\]]*\]|[^:/?#@'\"`]*)")
_TOML_TARGETS = re.compile(rb"^[ \t]*(?:\[[ \t]*targets|targets\b)", re.MULTILINE)
_NEXT = re.compile(rb'"next"\s*:')
_BINARY_LOOK = 8000


def is_clean(argv: list[str]) -> bool:
    """Return True when `dbswitch check` with these words would find nothing; False means "not known".

    Anything but the plain call (optionally with `--quiet`, `-q` or `--strict`) is left to the engine, and so is
    every difficulty: this never raises for a state of the repository.
    """
    if any(word not in {"-q", "--quiet", "--strict"} for word in argv):
        return False
    try:
        return _is_clean()
    except (OSError, ValueError, git.GitError):
        return False


def _is_clean() -> bool:
    here = os.getcwd()
    with open("package.json", "rb") as stream:  # noqa: PTH123  pathlib costs a tenth of the budget
        if _NEXT.search(stream.read()) is None:
            return False
    private = _private_files()
    # Started together: each takes a few milliseconds of its own.
    staged = git.Running(git.STAGED, here)
    listing = git.Running(git.listing([*private, ".dbswitch"]), here)
    blobs = git.Blobs(here)
    changed = git.changed(staged.read_to_end())
    tracked, loose = git.listed(listing.read_to_end())
    names = [path for path, _ in changed]
    contents = blobs.read([name for _, name in changed])
    blobs.close()
    if tracked or loose or any(paths.is_env_file(path) or paths.is_configuration(path) for path in names):
        return False
    known = _known_names(private)
    wanted = _needles(private)
    if known is None or wanted is None:
        return False
    wanted.append(needles.SCHEME.pattern)
    search = re.compile(b"|".join(wanted), re.IGNORECASE)
    for path, data in zip(names, contents, strict=True):
        if paths.is_foreign(path) or b"\0" in data[:_BINARY_LOOK]:
            continue
        if search.search(data) is not None or _reads_unknown(path, data, known):
            return False
    return True


def _private_files() -> list[str]:
    found = [name for name in os.listdir() if paths.is_env_file(name) and not paths.is_example(name)]
    if os.path.isdir("env"):  # noqa: PTH112  see above
        found.extend(
            f"env/{name}"
            for name in os.listdir("env")
            if paths.is_env_file(name) and not paths.is_example(name)
        )
    return found


def _read(name: str) -> bytes:
    with open(name, "rb") as stream:  # noqa: PTH123  see above
        return stream.read()


def _known_names(private: list[str]) -> set[str] | None:
    """Return the names that env files bind, examples included; None where the configuration needs the engine."""
    if os.path.lexists("dbswitch.toml") and _TOML_TARGETS.search(_read("dbswitch.toml")) is not None:
        return None
    examples = [name for name in os.listdir() if paths.is_env_file(name) and paths.is_example(name)]
    known: set[str] = set()
    for name in [*private, *examples]:
        known |= needles.defined_names(_read(name))
    return known


def _needles(private: list[str]) -> list[bytes] | None:
    """Return expressions that stand in every spelling of a protected secret; None where one cannot be given.

    None also where a protected host is bound to a variable that is not a protected target's: it may be active.
    """
    hosts: set[bytes] = set()
    found: list[bytes] = []
    open_values: list[bytes] = list(map(os.fsencode, os.environ.values()))
    for name in private:
        whole = name.startswith("env/") and name[4:] in _PROTECTED_FILES
        data = _read(name)
        urls = 0
        for key, value in _LINE.findall(data):
            has_url = needles.SCHEME.search(value) is not None
            urls += has_url
            if not (whole or key.endswith(_PROTECTED_SUFFIXES)):
                if has_url:
                    open_values.append(value)
                continue
            piece = _of_url(value, hosts) if has_url else _of_text(value)
            if piece is None:
                return None
            found.extend(piece)
        if len(needles.SCHEME.findall(data)) != urls:  # two in a line, in a comment or over several lines
            return None
    if any(host in value for host in hosts for value in open_values):
        return None
    return found + [re.escape(host) for host in hosts]


def _of_url(value: bytes, hosts: set[bytes]) -> list[bytes] | None:
    parts = _URL_PARTS.search(value)
    if parts is None:
        return None
    password, host = parts[1], parts[2]
    if host and b"." in host:
        hosts.add(host)
    return _pieces(password.decode("utf-8", "replace"))


def _of_text(value: bytes) -> list[bytes] | None:
    text = value.strip().strip(b"'\"`")
    return [] if len(text) < needles.SHORTEST_SECRET else _pieces(text.decode("utf-8", "replace"))


def _pieces(secret: str) -> list[bytes] | None:
    """Return the piece to look for, and the piece of its base64 form; None where none is long enough."""
    from binascii import b2a_base64
    from urllib.parse import unquote

    plain = unquote(secret)
    if len(plain) < needles.SHORTEST_SECRET:
        return []
    piece = needles.needle(plain)
    if not piece:
        return None
    coded = b2a_base64(plain.encode()).strip().rstrip(b"=")[:-1]
    return [re.escape(piece.encode()), re.escape(coded)]


def _reads_unknown(path: str, data: bytes, known: set[str]) -> bool:
    if not paths.is_source(path) or paths.is_practice(path) or b"env" not in data:
        return False
    for groups in needles.READS.findall(data):
        name = next(group for group in groups if group).decode()
        if name not in known and name not in os.environ and not needles.is_ambient(name):
            return True
    return False
