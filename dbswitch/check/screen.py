"""The everyday commit, answered in little more than the interpreter's own time: is there surely nothing to find?

A hook that runs at every commit must not be felt. This module looks at the staged content and the project's env files
with a few searches and next to no import. It says "clean" only when no rule can find anything; at the least doubt it says
nothing, and the engine (`engine.py`) judges. A test runs both on the whole corpus.

What the hook's rules (`Scope.INDEX`) can find, and what rules it out here:

* env files that are staged, tracked or not ignored: there is none of them;
* a URL with a password: no Postgres URL begins anywhere;
* secrets and hosts of protected targets: no unbroken piece of one appears (`needles.py`);
* the active target is protected: no host of a protected target in any other binding or in the process environment;
* undefined variables: every name that staged code reads is one that an env file binds.
"""

from __future__ import annotations

import os
import sys
from binascii import b2a_base64

from dbswitch.check import git, needles, paths

_PROTECTED_FILES = ("prod.env", "production.env")
_PROTECTED_SUFFIXES = ("_PROD", "_PRODUCTION")
_PROTECTED_NAMES = tuple(suffix.encode() for suffix in _PROTECTED_SUFFIXES)
_DIGITS = b"0123456789"
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
    if b'"next":' not in _read("package.json").replace(b" ", b"") or _configures_targets():
        return False
    env_files = _env_files()
    private = [name for name in env_files if not paths.is_example(name)]
    contents = {name: _read(name) for name in env_files}
    wanted = _needles({name: contents[name] for name in private})
    staged = None if wanted is None else _staged(private)
    if wanted is None or staged is None:
        return False
    known = set().union(*map(needles.defined_names, contents.values()))
    for path, data in staged:
        if paths.is_state(path) or needles.utf16_order(data):
            return False
        if paths.is_installed(path) or b"\0" in data[:_BINARY_LOOK]:
            continue
        lower = data.lower()
        if any(piece in lower for piece in wanted):
            return False
        if not paths.is_foreign(path) and (needles.urls_begun(lower) or _reads_unknown(path, data, known)):
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
        names = [path for path, _ in changed]
        if tracked or loose or any(paths.is_env_file(name) or paths.is_configuration(name) for name in names):
            return None
        return list(zip(names, blobs.read([blob for _, blob in changed]), strict=True))
    finally:
        for one in started:
            one.abandon()


def _configures_targets() -> bool:
    if not os.path.lexists("dbswitch.toml"):
        return False
    return any(line.lstrip(b" \t[\"'").startswith(b"targets") for line in _read("dbswitch.toml").splitlines())


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
    """Return what stands in every spelling of a protected secret, in small letters; None where that cannot be said.

    None also where a binding that is no protected target's has the host of one, or refers to one: it may be active.
    """
    hosts: set[bytes] = set()
    found: list[bytes] = []
    others = [os.fsencode(value) for value in os.environ.values()]
    for name, content in private.items():
        whole = name.startswith("env/") and name[4:] in _PROTECTED_FILES
        urls = 0
        for key, value in needles.bindings(content):
            begun = needles.urls_begun(value.lower())
            urls += begun
            if begun > 1:
                return None
            if not (whole or key.endswith(_PROTECTED_SUFFIXES)):
                others.append(value)
                continue
            pieces = _of_url(value, hosts) if begun else _of_text(value)
            if pieces is None:
                return None
            found.extend(pieces)
        if urls != _urls_outside_comments(content):  # a value on the next line, or over several lines
            return None
    if any(_may_be_protected(value, hosts) for value in others):
        return None
    return found + [host for host in hosts if b"." in host]


def _urls_outside_comments(content: bytes) -> int:
    lines = content.lower().split(b"\n")
    return sum(needles.urls_begun(line) for line in lines if not line.lstrip().startswith(b"#"))


def _may_be_protected(value: bytes, hosts: set[bytes]) -> bool:
    lower = value.lower()
    refers = b"$" in value and any(name in value for name in _PROTECTED_NAMES)
    return refers or any(host in lower for host in hosts)


def _of_url(value: bytes, hosts: set[bytes]) -> list[bytes] | None:
    login, at, place = value.partition(b"//")[2].rpartition(b"@")
    if not at or b"host=" in value or b"$" in value:
        return None
    host = place.split(b"]")[0] + b"]" if place.startswith(b"[") else place
    for mark in (b"'", b'"', b"`", b"/", b"?", b"#", *((b":",) if not place.startswith(b"[") else ())):
        host = host.partition(mark)[0]
    hosts.add(host.lower())
    return _pieces(login.partition(b":")[2])


def _of_text(value: bytes) -> list[bytes] | None:
    text = value.strip().strip(b"'\"`")
    # The engine looks for what a generator made: long, and with two kinds of characters (placeholders.py).
    kinds = (text != text.lower()) + (text != text.upper()) + (text.translate(None, _DIGITS) != text)
    return [] if len(text) < _SHORTEST_TOKEN or kinds < 2 else _pieces(text)


def _pieces(secret: bytes) -> list[bytes] | None:
    """Return the piece to look for, and the piece of its base64 form; None where none is long enough."""
    plain = _decoded(secret)
    if len(plain) < needles.SHORTEST_SECRET:
        return []
    piece = needles.needle(plain.decode("utf-8", "replace"))
    if not piece:
        return None
    coded = b2a_base64(plain).strip().rstrip(b"=")[:-1]
    return [piece.lower().encode(), coded.lower()]


def _decoded(text: bytes) -> bytes:
    first, *rest = text.split(b"%")
    for part in rest:
        try:
            first += bytes.fromhex(part[:2].decode()) + part[2:] if len(part) > 1 else b"%" + part
        except ValueError:  # a lone percent sign
            first += b"%" + part
    return first


def _reads_unknown(path: str, data: bytes, known: set[str]) -> bool:
    if not paths.is_source(path) or paths.is_practice(path) or b"env" not in data:
        return False
    return any(
        name not in known and name not in os.environ and not needles.is_ambient(name)
        for name, _, _ in needles.reads(data)
    )
