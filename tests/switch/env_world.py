"""A random project that changes between switches, and a small model of what its readers may get afterwards.

Written without dbswitch: files are read line by line here, and every value carries the name of whom it belongs to.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("local", "prod", "staging", "live", "qa")
PRODUCTION = frozenset({"prod", "live"})
URLS = ("DATABASE_URL", "DIRECT_URL", "DATABASE_URL_UNPOOLED")
COMPANIONS = ("STRIPE_KEY", "BLOB_TOKEN")
FILES = (".env.development.local", ".env.local", ".env.development", ".env")
START_FILES = (".env.local", ".env")  # of those that a switch edits
EDITED = (".env", ".env.local", ".env.development.local")
SOURCES = ("suffix", "file", "exported", "command")
PLACES = ("localhost", "ep-a-pooler.x.test", "stage.x.test", "ep-a.x.test", "live.x.test")
OWN_PLACE = "own.x.test"
PRISMA = (
    None,
    ({"prisma": "6.1.0"}, "schema", 'url = env("DATABASE_URL")', (".env",), ("DATABASE_URL",)),
    (
        {"prisma": "6.1.0"},
        "schema",
        'url = env("DATABASE_URL")\n directUrl = env("DIRECT_URL")',
        (".env",),
        ("DIRECT_URL", "DATABASE_URL"),
    ),
    (
        {"prisma": "7.1.0"},
        "config",
        "import 'dotenv/config'\nexport default {{ datasource: {{ url: env('DIRECT_URL') }} }}",
        (".env",),
        ("DIRECT_URL",),
    ),
    (
        {"prisma": "7.1.0"},
        "config",
        "import {{ config }} from 'dotenv'; config({{ path: ['.env.local', '.env'] }})\n"  # noqa: ISC004
        "export default {{ datasource: {{ url: env('DATABASE_URL') }} }}",
        (".env.local", ".env"),
        ("DATABASE_URL",),
    ),
)


@dataclass
class Definition:
    """A target: where its values come from, and what they are."""

    source: str
    values: dict[str, str] = field(default_factory=dict)


class World:
    """The project on disk, and what is known of every value in it."""

    def __init__(self, root: Path, prisma: int, layout: int) -> None:
        self.root = root
        self.targets: dict[str, Definition] = {}
        self.exports: dict[str, str] = {}
        self.written: set[tuple[str, str]] = set()
        self.entered: dict[str, set[str]] = {}  # where the URLs led that switches to a target wrote
        self.own: set[str] = set()
        self.left_over: dict[str, set[str]] = {}
        self.count = self.refused = 0
        self.prisma = PRISMA[prisma % len(PRISMA)]
        extra, kind, text, _, _ = self.prisma or ({}, "", "", (), ())
        self.put(
            "package.json",
            json.dumps({"dependencies": {"next": "16.0.7", **extra}, "scripts": {"dev": "next dev"}}),
        )
        if kind == "schema":
            self.put("prisma/schema.prisma", f"datasource db {{\n {text}\n}}\n")
        elif kind == "config":
            self.put("prisma.config.ts", text.format())
        self.put(".env", "# the app's settings\nPORT=3000\n")
        if layout & 1:
            self.put(".env.local", "export NAME='it is'  # a name\r\n")
        if layout & 2:
            self.put(".env.development.local", "\n# nothing yet\n")

    # what happens to a project between two switches

    def step(self, kind: int, a: int, b: int, c: int) -> None:
        """Change something; which, the numbers say."""
        name = NAMES[a % len(NAMES)]
        match kind % 8:
            case 0 | 1 if name not in self.targets:
                self.define(name, SOURCES[b % len(SOURCES)], c)
            case 0 | 1 | 2:
                self.change(name, b, c)
            case 3:
                self.drop(name, b)
            case 4 if len(self.targets) > 1:
                self.vanish(name, b)
            case 5 | 6:
                self.edit(EDITED[a % len(EDITED)], (*URLS[:2], *COMPANIONS, "REPORTS_URL")[b % 5], c)
            case _:
                self.exports = {} if b % 2 else self.exports

    def define(self, name: str, source: str, c: int) -> None:
        """Make a target with a URL, and some of the other variables."""
        self.targets[name] = Definition(source)
        self.left_over.pop(name, None)
        place = PLACES[NAMES.index(name) if c % 4 else c // 4 % len(PLACES)]
        self.targets[name].values["DATABASE_URL"] = self.url(name, place)
        for bit, key in enumerate((*URLS[1:], *COMPANIONS)):
            if c >> (bit + 2) & 1:
                self.targets[name].values[key] = self.value(name, key)
        self.save(name)

    def change(self, name: str, b: int, c: int) -> None:
        """Give one variable of a target a new value."""
        if name not in self.targets:
            return
        key = (*URLS, *COMPANIONS)[b % 5]
        if key == "DATABASE_URL" and c % 3 == 0:
            self.targets[name].values[key] = self.url(name, PLACES[c // 3 % len(PLACES)])
        else:
            self.targets[name].values[key] = self.value(name, key)
        self.save(name)

    def drop(self, name: str, b: int) -> None:
        """Take one variable out of a target's definition."""
        key = (*URLS[1:], *COMPANIONS)[b % 4]
        if name in self.targets and self.targets[name].values.pop(key, None) is not None:
            self.save(name)

    def vanish(self, name: str, b: int) -> None:
        """Remove a target; or only its `DATABASE_URL_NAME`, and leave its other suffixed variables behind."""
        if name in self.targets:
            target = self.targets[name]
            if target.source == "suffix" and b % 3 == 0:
                del target.values["DATABASE_URL"]
            else:
                target.values.clear()
            self.save(name)
            del self.targets[name]
            self.left_over[name] = {
                found for key, value in target.values.items() if key in URLS and (found := place(value))
            }
            self.save_toml()

    def edit(self, file: str, key: str, c: int) -> None:
        """Write a value into an env file by hand."""
        self.count += 1
        token = f"own{self.count}"
        if key in COMPANIONS:
            value = f"{token}-{key}"
        else:
            places = (OWN_PLACE, OWN_PLACE, *PLACES)
            value = f"postgresql://me:{token}@{places[c % len(places)]}:5432/shop"
        self.own.add(token)
        overwritten = self.live(file).get(key)
        if overwritten is not None:
            self.own -= {one for one in self.own if one in overwritten}
        self.set_line(file, key, value)

    # values

    def url(self, name: str, place: str) -> str:
        self.count += 1
        return f"postgresql://app:{name}{self.count}@{place}:5432/shop"

    def value(self, name: str, key: str) -> str:
        """Return a new value of a target: a URL to the place of its DATABASE_URL, or a companion's."""
        if key in COMPANIONS:
            self.count += 1
            return f"{name}{self.count}-{key}"
        return self.url(name, place(self.targets[name].values["DATABASE_URL"]) or PLACES[0])

    # the project's files

    def put(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def text(self, file: str) -> str:
        path = self.root / file
        return path.read_bytes().decode() if path.exists() else ""

    def set_line(self, file: str, key: str, value: str | None) -> None:
        lines = [one for one in self.text(file).splitlines(keepends=True) if not binds(one, key)]
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        if value is not None:
            lines.append(f'{key}="{value}"\n')
        if value is not None or (self.root / file).exists():
            self.put(file, "".join(lines))

    def save(self, name: str) -> None:
        """Write a target's definition to where it comes from."""
        target = self.targets[name]
        match target.source:
            case "suffix":
                for key in (*URLS, *COMPANIONS):
                    self.set_line(".env.local", f"{key}_{name.upper()}", target.values.get(key))
            case "file":
                if target.values:
                    self.put(f"env/{name}.env", "".join(f"{k}={v}\n" for k, v in target.values.items()))
                else:
                    (self.root / f"env/{name}.env").unlink()
            case "command":
                self.put(f"vault/{name}", "".join(f"{k}={v}\n" for k, v in target.values.items()))
            case _:
                for key in (*URLS, *COMPANIONS):
                    self.exports.pop(source_key(name, key), None)
                self.exports |= {source_key(name, key): value for key, value in target.values.items()}
        self.save_toml()

    def save_toml(self) -> None:
        lines = []
        for name, target in self.targets.items():
            if target.source == "command":
                lines.append(f'[targets.{name}]\ncommand = ["cat", "vault/{name}"]\n')
            elif target.source == "exported":
                sources = ", ".join(
                    f'{key} = {{ from = "{source_key(name, key)}" }}' for key in target.values
                )
                lines.append(f"[targets.{name}]\nvariables = {{ {sources} }}\n")
        self.put("dbswitch.toml", "".join(lines))

    def snapshot(self) -> dict[str, str]:
        """Return the env files as they are."""
        return {file: self.text(file) for file in FILES if (self.root / file).exists()}

    # the model

    def live(self, file: str) -> dict[str, str]:
        """Return what a file binds."""
        found: dict[str, str] = {}
        for line in self.text(file).splitlines():
            match = re.match(r"\s*(?:export\s+)?(\w+)=(?:\"([^\"]*)\"|'([^']*)'|([^#\s]*))", line)
            if match is not None:
                found[match[1]] = next((one for one in match.groups()[1:] if one is not None), "")
        return found

    def reads(self, files: tuple[str, ...]) -> dict[str, str]:
        """Return what a reader of these files gets, the first file winning."""
        found: dict[str, str] = {}
        for file in reversed(files):
            found |= self.live(file)
        return found

    def readers(self) -> list[tuple[str, dict[str, str]]]:
        every = [("next", self.reads(FILES)), ("next start", self.reads(START_FILES))]
        if self.prisma is not None:
            every.append(("prisma", self.reads(self.prisma[3])))
        return every

    def is_definition(self, key: str) -> bool:
        return any(key.endswith(f"_{name.upper()}") for name in NAMES) or key.startswith("FROM_")

    def resolvable(self, name: str) -> bool:
        """Return whether all of a target's values are there now."""
        target = self.targets[name]
        return target.source != "exported" or all(
            source_key(name, key) in self.exports for key in target.values
        )

    def places_of(self, name: str) -> set[str]:
        """Return the places of a target that can be known without running its command."""
        target = self.targets[name]
        if target.source == "command":
            return self.entered.get(name, set())
        if not self.resolvable(name):
            keys = [key for key in URLS if source_key(name, key) in self.exports and key in target.values]
        else:
            keys = [key for key in URLS if key in target.values]
        return {one for key in keys if (one := place(target.values[key])) is not None}

    def forbidden(self, name: str) -> set[str]:
        """Return the places of other targets that are protected by name, when the readers are on `name`."""
        here = place(self.targets[name].values["DATABASE_URL"])
        found: set[str] = set()
        for other in self.targets:
            places = self.places_of(other)
            if other != name and other in PRODUCTION and here not in places:
                found |= places
        return found - (self.url_places(name) if name in PRODUCTION else {here or ""})

    def guarded_places(self, name: str) -> set[str]:
        """Return every place that another target may protect: by its name, or since it shares a place with such a one."""
        every = self.left_over | {other: self.all_places_of(other) for other in self.targets}
        production = {one for other in PRODUCTION & set(every) for one in every[other]}
        guarding = [other for other, places in every.items() if other in PRODUCTION or places & production]
        here = place(self.targets[name].values["DATABASE_URL"]) or ""
        found: set[str] = set()
        for other in guarding:
            if other not in self.targets or here not in self.places_of(other):
                found |= every[other]
        return found - {here}

    def all_places_of(self, name: str) -> set[str]:
        """Return the places of a target now, whether they can be known or not, and those that a switch may remember."""
        return self.url_places(name) | self.entered.get(name, set())

    def url_places(self, name: str) -> set[str]:
        """Return where the URLs of a target lead."""
        found = (place(value) for key, value in self.targets[name].values.items() if key in URLS)
        return {one for one in found if one is not None}

    def may_refuse(self, name: str) -> bool:
        """Return whether a switch to `name` may be refused in the project as it is now."""
        if not self.resolvable(name):
            return True
        possibly_protected = self.guarded_places(name)
        values = self.targets[name].values
        if any(place(value) in possibly_protected for key, value in values.items() if key != "DATABASE_URL"):
            return True
        # Also a line of lower precedence: it is read once the one above it is taken out.
        return any(
            place(value) in possibly_protected
            for file in FILES
            for key, value in self.live(file).items()
            if not self.is_definition(key)
        )

    def switched(self, name: str) -> None:
        """Take note of a switch to `name`."""
        values = self.targets[name].values
        self.written |= set(values.items())
        self.entered[name] = self.entered.get(name, set()) | self.url_places(name)

    def faults(self, name: str, before: dict[str, str]) -> list[str]:
        """Return what is wrong after a switch to `name`; `before` are the env files as they were."""
        wanted = self.targets[name].values
        others = {
            item
            for other, target in self.targets.items()
            if other != name and target.source != "command"
            for item in target.values.items()
            if target.source != "exported" or source_key(other, item[0]) in self.exports
        }
        forbidden = self.forbidden(name)
        here = place(wanted["DATABASE_URL"])
        found: list[str] = []
        for reader, bound in self.readers():
            for key, value in bound.items():
                if self.is_definition(key) or (reader == "next" and key in wanted and value == wanted[key]):
                    continue
                if key in wanted and value != wanted[key]:
                    found.append(f"{reader} gets another {key}")
                elif key not in wanted and (key, value) in self.written | others:
                    found.append(f"{reader} gets {key} of another target")
                if key not in wanted and place(value) in forbidden:
                    found.append(f"{reader} is led to a protected place by {key}")
            if reader == "next":
                found += [f"next gets no {key}" for key in wanted if key not in bound]
            elif self.prisma is not None:
                key = next((one for one in self.prisma[4] if bound.get(one)), None)
                if key is not None and key not in wanted and place(bound[key]) != here:
                    found.append("the Prisma CLI is elsewhere")
        kept = "".join(self.snapshot().values())
        found += [f"{one} is lost" for one in self.own if one in "".join(before.values()) and one not in kept]
        return found


def place(value: str) -> str | None:
    """Return the host of a URL of this world, a pooler as the host behind it."""
    match = re.fullmatch(r"postgresql://\w+:\w+@([\w.-]+):5432/shop", value)
    return None if match is None else match[1].replace("-pooler", "")


def source_key(name: str, key: str) -> str:
    return f"FROM_{name.upper()}_{key}"


def binds(line: str, key: str) -> bool:
    return re.match(rf"\s*(?:export\s+)?{key}=", line) is not None
