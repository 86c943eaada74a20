"""What the mark, the migrations and read-only sessions add to the probe of a switch.

Run it: `python -m tests.benchmarks.bench_production [--runs N]`. One warm process asks a real server in turns: for its identity alone
(the mark is part of that query), with 20 and with 200 migrations, and with 200 in read-only sessions. Reading the scripts from
the disk counts. Medians of the elapsed time; nothing is asserted.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from pathlib import Path

import psycopg

from dbswitch.database.migrations import read_scripts
from dbswitch.database.probe import ProbeLimits, wait_until_ready
from dbswitch.database.url import DatabaseUrl
from tests.support.postgres import PostgresServer, template

SCRIPT = "CREATE TABLE example (id serial PRIMARY KEY, name text NOT NULL);\n" * 40
TABLE = (
    "CREATE TABLE _prisma_migrations (migration_name text, checksum text, started_at timestamptz DEFAULT now(),"
    " finished_at timestamptz DEFAULT now(), rolled_back_at timestamptz)"
)


def prepare(folder: Path, url: str, count: int) -> Path:
    """Write `count` migrations, all of them applied."""
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS _prisma_migrations")
        connection.execute(TABLE)
        for number in range(count):
            script = f"{SCRIPT}-- {number}\n".encode()
            place = folder / f"{count}" / f"{number:014}_step"
            place.mkdir(parents=True)
            (place / "migration.sql").write_bytes(script)
            connection.execute(
                "INSERT INTO _prisma_migrations VALUES (%s, %s)",
                (place.name, hashlib.sha256(script).hexdigest()),
            )
    return folder / f"{count}"


def once(url: DatabaseUrl, migrations: Path | None) -> float:
    """Return the milliseconds of one probe."""
    began = time.perf_counter()
    scripts = None if migrations is None else read_scripts(migrations)
    wait_until_ready(url, ProbeLimits(successes=1), scripts=scripts)  # as a server that is up for long
    return (time.perf_counter() - began) * 1_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        home.chmod(0o755)
        server = PostgresServer(home / "server", template=template(0))
        server.create()
        server.start()
        try:
            text = server.url("postgres")
            url = DatabaseUrl.parse(text)
            for count in (20, 200):
                migrations = prepare(home, text, count)
                kinds = {
                    "identity and mark": (url, None),
                    f"{count} migrations": (url, migrations),
                    f"{count} migrations, read-only": (url.read_only(), migrations),
                }
                found: dict[str, list[float]] = {kind: [] for kind in kinds}
                for number in range(runs + 3):
                    for kind, (at, scripts) in kinds.items():
                        took = once(at, scripts)
                        if number >= 3:
                            found[kind].append(took)
                base = statistics.median(found["identity and mark"])
                for kind, times in found.items():
                    middle = statistics.median(times)
                    print(f"{kind:32} {middle:6.1f} ms  {middle - base:+5.1f} ms")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
