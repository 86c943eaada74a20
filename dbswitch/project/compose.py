"""Find the Postgres service in a project's compose file, well enough to start it; pure.

Compose files are YAML, and a YAML parser would be a dependency for one optional convenience. This reads the regular
block form that is usual in hand-written files; whatever it does not understand is "no service found", never a guess.
"""

from __future__ import annotations

import re

from msgspec import Struct

FILE_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_IMAGE = re.compile(
    r"(?:[\w.\-]+(?::\d+)?/)*(?:postgres|postgresql|postgis|pgvector|timescaledb[\w-]*)(?::|@|$)"
)
_PORT = re.compile(
    r"""^['"]?(?:(?P<address>[\d.]+|\[[0-9a-fA-F:]+\]):)?(?P<published>\d+):5432(?:/tcp)?['"]?$"""
)


class _Line(Struct, frozen=True):
    indent: int
    text: str


def postgres_service(text: str, port: int) -> str | None:
    """Return the name of the service that runs Postgres and publishes it on `port`, or None."""
    for name, body in _services(text):
        image = next((_plain(line.text[6:]) for line in body if line.text.startswith("image:")), "")
        if _IMAGE.match(image) and port in _published(body):
            return name
    return None


def _lines(text: str) -> list[_Line]:
    found = []
    for raw in text.splitlines():
        stripped = raw.split(" #", 1)[0].strip()
        if stripped and not stripped.startswith("#") and "\t" not in raw[: len(raw) - len(raw.lstrip())]:
            found.append(_Line(len(raw) - len(raw.lstrip(" ")), stripped))
    return found


def _services(text: str) -> list[tuple[str, list[_Line]]]:
    services: list[tuple[str, list[_Line]]] = []
    inside = False
    level: int | None = None
    for line in _lines(text):
        if line.indent == 0:
            inside = line.text == "services:"
            level = None
        elif inside:
            level = line.indent if level is None else level
            if line.indent == level and line.text.endswith(":"):
                services.append((_plain(line.text[:-1]), []))
            elif services:
                services[-1][1].append(line)
    return services


def _published(body: list[_Line]) -> set[int]:
    ports: set[int] = set()
    at: int | None = None
    for line in body:
        if line.text == "ports:":
            at = line.indent
        elif at is not None and line.text.startswith("- ") and line.indent >= at:
            match = _PORT.match(line.text[2:].strip())
            if match:
                ports.add(int(match["published"]))
        elif at is not None:
            at = None
    return ports


def _plain(text: str) -> str:
    return text.strip().strip("'\"")
