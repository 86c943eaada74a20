"""What `dbswitch check` costs at every commit: whole processes, on a repository of 5,000 files with 50 staged.

Run it: `python -m tests.benchmarks.bench_check [--runs N]`. Against the bare interpreter (`python -c pass`, the same one),
detect-secrets on the staged files (as its hook calls it), dotenv-linter and dotenvx's `precommit`. The tools are installed
once into the test cache. They take turns, so that a busy machine is busy for all. Nothing is asserted.

Measured are a commit with nothing to find, and `--all` over the 5,000 files.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.check.corpus import LOCAL, NEXT_IGNORE, PACKAGE, SUFFIXED
from tests.support import cache

FILES, STAGED = 5000, 50
REPOSITORY = Path(__file__).parents[2]
WORDS = [
    "order",
    "item",
    "price",
    "user",
    "cart",
    "total",
    "index",
    "value",
    "result",
    "state",
    "query",
    "client",
    "page",
    "route",
    "name",
    "list",
    "key",
]


@dataclass(frozen=True)
class Contestant:
    """A command with the environment it runs in; `allowed` are its exit codes for "it ran"."""

    name: str
    argv: tuple[str, ...]
    allowed: tuple[int, ...] = (0,)


def main() -> int:
    parser = argparse.ArgumentParser(description="What `dbswitch check` costs at every commit.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-check-") as name:
        folder = Path(name) / "repository"
        folder.mkdir()
        staged = build(folder, random.Random(options.seed))
        python = own_environment(Path(name) / "venv")
        contestants = rivals(staged, python)
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DATABASE"))
        }
        environment["PATH"] = f"{Path(python).parent}{os.pathsep}{environment['PATH']}"
        print(
            f"{FILES} files, {STAGED} staged, {options.runs} runs each, taking turns; seconds of wall clock"
        )
        report(measure(contestants, folder, environment, options.runs))
    return 0


def build(folder: Path, chance: random.Random) -> list[str]:
    """Make a Next.js repository with a history, and return the names of what is staged."""
    git(folder, "init", "-q")
    files = {"package.json": PACKAGE, ".gitignore": NEXT_IGNORE, ".env.example": 'DATABASE_URL=""\n'}
    names = [f"src/part{number % 97}/module{number}.ts" for number in range(FILES - len(files))]
    files |= {name: source(chance) for name in names}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all of it")
    (folder / ".env").write_text(f"DATABASE_URL={LOCAL}\n")
    (folder / ".env.local").write_text(SUFFIXED)
    staged = chance.sample(names, STAGED)
    for name in staged:
        with (folder / name).open("a") as stream:
            stream.write("export const url = process.env.DATABASE_URL\n" + source(chance))
    git(folder, "add", "--", *staged)
    return staged


def source(chance: random.Random) -> str:
    lines = (
        f"export const {chance.choice(WORDS)}{n} = {chance.choice(WORDS)}({chance.random():.6f}, '{chance.choice(WORDS)}')"
        for n in range(60)
    )
    return "\n".join(lines) + "\n"


def own_environment(place: Path) -> str:
    """Return a Python with dbswitch installed as a user has it: from a wheel, compiled, with its console script."""
    venv.create(place, with_pip=True)
    python = str(place / "bin/python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--upgrade", "pip"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", str(REPOSITORY)], check=True)
    return python


def rivals(staged: list[str], python: str) -> list[Contestant]:
    tools = cache.once(cache.root() / "bench-check-tools", _install)
    script = str(Path(python).parent / "dbswitch")
    found = [
        Contestant("python -c pass", (python, "-c", "pass")),
        Contestant("dbswitch check", (script, "check")),
        Contestant("dbswitch check --all", (script, "check", "--all", "--quiet"), (0, 1)),
        Contestant("detect-secrets-hook", (str(tools / "bin/detect-secrets-hook"), *staged), (0, 1)),
        Contestant(
            "dotenv-linter",
            (str(tools / "bin/dotenv-linter"), "lint", ".env", ".env.local", ".env.example"),
            (0, 1),
        ),
    ]
    dotenvx = tools / "node_modules/.bin/dotenvx"
    if dotenvx.exists():
        found.append(Contestant("dotenvx ext precommit", (str(dotenvx), "ext", "precommit"), (0, 1)))
    return found


def _install(place: Path) -> None:
    # Console scripts hold the path they were installed under, so the folder must have its final name: install behind a
    # link of that name.
    final = cache.root() / "bench-check-tools"
    venv.create(place, with_pip=True)
    final.symlink_to(place)
    try:
        subprocess.run(
            [str(final / "bin/python"), "-m", "pip", "install", "-q", "detect-secrets", "dotenv-linter"],
            check=True,
        )
    finally:
        final.unlink()
    if shutil.which("npm"):
        subprocess.run(
            ["npm", "install", "--silent", "--prefix", str(place), "@dotenvx/dotenvx"], check=False
        )
    for script in (place / "bin").iterdir():
        if script.is_file() and script.read_bytes()[:2] == b"#!":
            script.write_bytes(script.read_bytes().replace(os.fsencode(place), os.fsencode(final)))


def measure(
    contestants: list[Contestant], folder: Path, environment: dict[str, str], runs: int
) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {one.name: [] for one in contestants}
    for turn in range(runs + 1):
        for one in contestants:
            begin = time.perf_counter()
            done = subprocess.run(one.argv, cwd=folder, env=environment, capture_output=True, check=False)
            seconds = time.perf_counter() - begin
            if done.returncode not in one.allowed:
                print(
                    f"{one.name}: exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}",
                    file=sys.stderr,
                )
                raise SystemExit(2)
            if turn:  # the first turn fills caches and writes .pyc files
                times[one.name].append(seconds)
    return times


def report(times: dict[str, list[float]]) -> None:
    bare = statistics.median(times["python -c pass"])
    print(f"{'':28}{'median':>9}{'best':>9}{'x bare':>9}")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{name:28}{median:9.4f}{min(seconds):9.4f}{median / bare:9.2f}")


def git(folder: Path, *words: str) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=b", "-c", "user.email=b@example.test", *words],
        check=True,
        env={**environment, "GIT_CONFIG_GLOBAL": os.devnull},
    )


if __name__ == "__main__":
    sys.exit(main())
