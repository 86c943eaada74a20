"""Finding the project, from a folder upwards, and what its files say about it. Nothing in it is written or executed."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from pathlib import Path

from msgspec import Struct

from dbswitch import state_folder
from dbswitch.durable import text_or_empty
from dbswitch.envfiles.precedence import DEV_FILES
from dbswitch.errors import ConfigError
from dbswitch.project import config as configuration, packages, target_names
from dbswitch.project.git import GitError, tracked_files
from dbswitch.project.packages import Manifest, Packages, boundary, installed_version, read_manifest
from dbswitch.project.prisma import PrismaInfo, read_prisma, variable_of_client
from dbswitch.project.server_launch import NextInfo, next_config, read_next

STATE_DIR = ".dbswitch"
DEFAULT_VARIABLE = "DATABASE_URL"
_ROUTER_FOLDERS = ("app", "pages", "src/app", "src/pages")
_BOUND = re.compile(r"^[^\S\n]*(?:export\s+)?(\w+)\s*=", re.MULTILINE)


class Project(Struct, frozen=True):
    """The application's root folder and what was found in it."""

    root: Path
    config: configuration.Config
    manifest: Manifest
    next: NextInfo | None
    prisma: PrismaInfo
    packages: Packages
    url_variables: tuple[str, ...]  # DATABASE_URL and those that Prisma reads, the app's own first
    tracked: frozenset[str]  # env files that git tracks, relative to the root; all where `git_error` is set
    git_error: GitError | None = None  # why git did not report them, although there is a repository

    @property
    def state_dir(self) -> Path:
        """The folder in the project that holds the lock and what the app reads; it need not exist yet."""
        return self.root / STATE_DIR

    @property
    def private_dir(self) -> Path:
        """The user's folder for what makes dbswitch act: journal, records, time limit; it need not exist yet."""
        return state_folder.of_project(self.root)

    @property
    def primary_variable(self) -> str:
        """The variable that decides which target is active: the first of `url_variables`."""
        return self.url_variables[0]

    @property
    def target_example(self) -> str:
        """How two targets are written into an env file, for advice."""
        first = f"{self.primary_variable}_LOCAL and {self.primary_variable}_PROD"
        known = {self.primary_variable, *self.shadow_variables}
        others = [key for key in self.prisma.url_variables if key not in known]
        return f"{first}, likewise for {', '.join(others)}" if others else first

    @property
    def cli_variables(self) -> tuple[str, ...]:
        """The variables that the Prisma CLI may migrate through; the first that is set counts."""
        return self.prisma.cli_variables or (self.primary_variable,)

    @property
    def studio_variables(self) -> tuple[str, ...]:
        """The same for Prisma Studio."""
        return self.prisma.studio_variables or (self.primary_variable,)

    @property
    def shadow_variables(self) -> tuple[str, ...]:
        """The variables of Prisma's shadow database, which is another database on purpose."""
        used = {self.primary_variable, *self.cli_variables}
        return tuple(key for key in self.prisma.shadow_variables if key not in used)

    @property
    def notices(self) -> tuple[str, ...]:
        """What could not be interpreted reliably."""
        of_next = self.next.notices if self.next is not None else ()
        of_git = () if self.git_error is None else (f"{self.git_error}; every env file counts as tracked",)
        return (*of_next, *self.prisma.notices, *of_git)


def discover(start: Path) -> Project:
    """Return the project of the nearest folder, here or above, with a Next.js app or a dbswitch.toml. Raises ConfigError.

    The walk ends at the top of the git work tree, the home folder or the root of the file system.
    """
    start = start.absolute()
    if not start.is_dir():
        raise ConfigError(f"{start} is not a folder", fix="give --project the folder of the app")
    # The app's processes report their folder without symlinks; the two must be comparable.
    looked = boundary(Path(os.path.realpath(start)))
    for folder in looked:
        if (folder / configuration.FILE_NAME).exists() or _is_next_app(folder):
            return load(folder)
    raise _no_project(start, looked)


def load(root: Path) -> Project:
    """Return the project whose root is exactly `root`. Raises ConfigError: a file that decides something cannot be read."""
    config = configuration.load(root)
    manifest = read_manifest(root)
    prisma = read_prisma(root, manifest)
    tracked, git_error = _tracked(root)
    return Project(
        root=root,
        config=config,
        manifest=manifest,
        next=read_next(root, manifest, config.server.dist_dir),
        prisma=prisma,
        packages=packages.read_packages(root, manifest),
        url_variables=_url_variables(root, prisma.url_variables, config),
        tracked=tracked,
        git_error=git_error,
    )


def _tracked(root: Path) -> tuple[frozenset[str], GitError | None]:
    try:
        return tracked_files(root, (".env", ".env.*", "env/*.env", "prisma/.env")), None
    except GitError as error:
        here = (f"env/{path.name}" for path in root.glob("env/*.env"))
        return frozenset({*DEV_FILES, "prisma/.env", *here}), error


def _url_variables(root: Path, named: tuple[str, ...], config: configuration.Config) -> tuple[str, ...]:
    first: str | None = DEFAULT_VARIABLE
    if named and DEFAULT_VARIABLE not in named:
        # The Prisma config may name the direct URL first, for migrations; the app's client tells which one it reads.
        first = variable_of_client(root, (*named, DEFAULT_VARIABLE))
        first = first or (DEFAULT_VARIABLE if _uses_default(root, config, named[0]) else named[0])
    return tuple(dict.fromkeys((first or DEFAULT_VARIABLE, *named, DEFAULT_VARIABLE)))


def _uses_default(root: Path, config: configuration.Config, named: str) -> bool:
    """Return whether the app reads DATABASE_URL, although Prisma reads `named`."""
    # Prisma 7 projects often give the CLI DIRECT_URL while the app itself reads DATABASE_URL; a project that sets no
    # DATABASE_URL, for its targets either, uses the names it gave to Prisma.
    bound = {key for target in config.targets.values() for key in target.variables}
    for path in (*(root / name for name in DEV_FILES), *root.glob("env/*.env")):
        bound.update(_BOUND.findall(text_or_empty(path)))
    pairs = (target_names.split_url_key(key, (DEFAULT_VARIABLE, named)) for key in bound)
    uses = Counter(pair[0] for pair in pairs if pair is not None)
    return DEFAULT_VARIABLE in bound or uses[DEFAULT_VARIABLE] >= max(1, uses[named])


def _is_next_app(folder: Path) -> bool:
    manifest = read_manifest(folder)
    if manifest.wants("next") is None:
        hoisted = manifest.path is not None and next_config(folder) is not None
        return hoisted and installed_version(folder, "next") is not None
    # The root of a workspace may list `next` for the apps below it.
    own = next_config(folder) is not None or any((folder / name).is_dir() for name in _ROUTER_FOLDERS)
    return own or not apps_below(folder)


def _no_project(start: Path, looked: tuple[Path, ...]) -> ConfigError:
    below = apps_below(start) or apps_below(looked[-1])
    fix = f"dbswitch --project {below[0]} ..." if len(below) == 1 else "cd into the app, or use --project DIR"
    return ConfigError(
        "no project here",
        facts=(
            "looked for a Next.js app (a package.json with `next`), or a dbswitch.toml",
            f"from {start} up to {looked[-1]}" if len(looked) > 1 else f"in {start}",
            *(f"there is an app in {app}" for app in below),
        ),
        why="dbswitch changes the env files and restarts the server of one app, so it has to know which one",
        fix=fix,
    )


def apps_below(folder: Path) -> tuple[Path, ...]:
    """Return the Next.js apps one and two folders down (`app`, `apps/web`), at most five."""
    found: list[Path] = []
    for pattern in ("*/package.json", "*/*/package.json"):
        with contextlib.suppress(OSError):  # a folder that cannot be read
            for path in sorted(folder.glob(pattern)):
                with contextlib.suppress(ConfigError):  # a broken package.json elsewhere was not asked about
                    if "node_modules" not in path.parts and _is_next_app(path.parent):
                        found.append(path.parent)
    return tuple(found[:5])
