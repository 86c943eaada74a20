"""The everyday commit, answered in little more than the interpreter's own time: is there surely nothing to find?

A hook that runs at every commit must not be felt. This module looks at the staged content and the project's env files
with a few expressions and next to no import. It says "clean" only when no rule can find anything;
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
import sys
from binascii import b2a_base64

from dbswitch.check import git, needles, paths

_PROTECTED_FILES = ("prod.env", "production.env")
_PROTECTED_SUFFIXES = (b"_PROD", b"_PRODUCTION")
_LINE = re.compile(rb"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:][ \t]*(.*)$", re.MULTILINE)
_COMMENT = re.compile(rb"^[ \t]*#.*$", re.MULTILINE)
_TO_PROTECTED = re.compile(rb"\$\{?\w*_PROD(?:UCTION)?\b")
_URL_PARTS = re.compile(rb"//[^:@/]*:?(.*)@(\[[^\]]*\]|[^:/?#@'\"`]*)")
_TOML_TARGETS = re.compile(rb"^[ \t]*(?:\[[ \t]*targets|targets\b)", re.MULTILINE)
_NEXT = re.compile(rb'"next"\s*:')
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_KINDS = (re.compile(rb"[a-z]"), re.compile(rb"[A-Z]"), re.compile(rb"[0-9]"))
_SHORTEST_TOKEN = 12
_BINARY_LOOK = 8000


def answer(argv: list[str]) -> bool:
    """Answer `dbswitch check` where it is clean, and say whether it was answered."""
    clean = is_clean(argv)
    if clean and not {"-q", "--quiet"}.intersection(argv):
        sys.stdout.write("dbswitch check (index): nothing found\n")
    return clean


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
    if _NEXT.search(_read("package.json")) is None:
        return False
    env_files = _env_files()
    private = [name for name in env_files if not paths.is_example(name)]
    contents = {name: _read(name) for name in env_files}
    wanted = _needles({name: contents[name] for name in private})
    if wanted is None or (os.path.lexists("dbswitch.toml") and _TOML_TARGETS.search(_read("dbswitch.toml"))):
        return False
    staged = _staged(private)
    if staged is None:
        return False
    known = set().union(*map(needles.defined_names, contents.values()))
    search = re.compile(b"|".join([*wanted, needles.SCHEME.pattern]), re.IGNORECASE)
    for path, data in staged:
        if paths.is_foreign(path) or b"\0" in data[:_BINARY_LOOK]:
            continue
        if search.search(data) is not None or _reads_unknown(path, data, known):
            return False
    return True


def _staged(private: list[str]) -> list[tuple[str, bytes]] | None:
    """Return what is staged; None where an env file or configuration is among it, or one is tracked or not ignored."""
    here = os.path.realpath(".")
    # Started together: each takes a few milliseconds of its own.
    started: list[git.Running | git.Blobs] = []
    try:
        staged = git.Running(git.STAGED, here)
        started.append(staged)
        listing = git.Running(git.listing([*private, ".dbswitch"]), here)
        started.append(listing)
        blobs = git.Blobs(here)
        started.append(blobs)
        changed = git.changed(staged.read_to_end())
        tracked, loose = git.listed(listing.read_to_end())
        if (
            tracked
            or loose
            or any(paths.is_env_file(path) or paths.is_configuration(path) for path, _ in changed)
        ):
            return None
        return list(
            zip([path for path, _ in changed], blobs.read([name for _, name in changed]), strict=True)
        )
    finally:
        for one in started:
            one.abandon()


def _env_files() -> list[str]:
    found = [entry.name for entry in os.scandir() if paths.is_env_file(entry.name)]
    if os.path.isdir("env"):  # noqa: PTH112  pathlib costs a tenth of the time there is
        found.extend(f"env/{entry.name}" for entry in os.scandir("env") if paths.is_env_file(entry.name))
    return found


def _read(name: str) -> bytes:
    if not os.path.isfile(name):  # noqa: PTH113  see above; reading a FIFO would wait for its writer
        raise OSError(name)
    with open(name, "rb") as stream:  # noqa: PTH123  see above
        return stream.read()


def _needles(private: dict[str, bytes]) -> list[bytes] | None:
    """Return expressions that stand in every spelling of a protected secret; None where one cannot be given.

    None also where a binding that is no protected target's has the host of one, or refers to one: it may be active.
    """
    hosts: set[bytes] = set()
    found: list[bytes] = []
    open_values = [os.fsencode(value) for value in os.environ.values()]
    for name, content in private.items():
        whole = name.startswith("env/") and name[4:] in _PROTECTED_FILES
        data = _COMMENT.sub(b"", content)
        urls = 0
        for key, value in _LINE.findall(data):
            has_url = needles.SCHEME.search(value) is not None
            urls += has_url
            if not (whole or key.endswith(_PROTECTED_SUFFIXES)):
                open_values.append(value)
                continue
            pieces = _of_url(value, hosts) if has_url else _of_text(value)
            if pieces is None:
                return None
            found.extend(pieces)
        if len(needles.SCHEME.findall(data)) != urls:  # two in a line, or over several lines
            return None
    if any(
        _TO_PROTECTED.search(value) or any(host in value.lower() for host in hosts) for value in open_values
    ):
        return None
    return found + [re.escape(host) for host in hosts if b"." in host]


def _of_url(value: bytes, hosts: set[bytes]) -> list[bytes] | None:
    parts = _URL_PARTS.search(value)
    if parts is None or b"host=" in value or b"$" in value:
        return None
    password, host = parts[1], parts[2]
    hosts.add(host.lower())
    return _pieces(password)


def _of_text(value: bytes) -> list[bytes] | None:
    text = value.strip().strip(b"'\"`")
    # The engine looks for what a generator made: long, and with two kinds of characters (placeholders.py).
    kinds = sum(kind.search(text) is not None for kind in _KINDS)
    return [] if len(text) < _SHORTEST_TOKEN or kinds < 2 else _pieces(text)


def _pieces(secret: bytes) -> list[bytes] | None:
    """Return the piece to look for, and the piece of its base64 form; None where none is long enough."""
    plain = _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), secret)
    if len(plain) < needles.SHORTEST_SECRET:
        return []
    piece = needles.needle(plain.decode("utf-8", "replace"))
    if not piece:
        return None
    coded = b2a_base64(plain).strip().rstrip(b"=")[:-1]
    return [re.escape(piece.encode()), re.escape(coded)]


def _reads_unknown(path: str, data: bytes, known: set[str]) -> bool:
    if not paths.is_source(path) or paths.is_practice(path) or b"env" not in data:
        return False
    for groups in needles.READS.findall(data):
        name = next(group for group in groups if group).decode()
        if name not in known and name not in os.environ and not needles.is_ambient(name):
            return True
    return False
