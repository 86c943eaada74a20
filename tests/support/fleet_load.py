"""Four programs that write through a pool, 50 transactions a second each, and what became of every write."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.generate.conftest import SOURCE, generated, place_client
from tests.support import npm
from tests.support.fleet import DATABASE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.fleet import Fleet, PgBouncer

CLIENTS = Path(__file__).parents[1] / "pools" / "clients"
DEADLINE = 100.0
_PGBENCH = r"""\set number :number + 1
BEGIN;
INSERT INTO "Note" (key, body) VALUES (concat('KEY-', :client_id, '-', :number), '');
SELECT body FROM "Note" WHERE key = 'where';
COMMIT;
"""


@dataclass(frozen=True, slots=True)
class Done:
    """One transaction; times in seconds since the epoch."""

    key: str
    begin: float
    end: float
    error: str


@dataclass
class Program:
    """One of the four while it runs; `results` are those of all its runs."""

    name: str
    kind: str
    pooler: PgBouncer
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    runs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        """Start it (again); its keys are new ones."""
        number = len(self.runs)
        label = f"{self.name}{number}"
        output = self.folder / f"{label}.out"
        self.runs.append(output)
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.pooler.url(),
            "HOME": str(self.folder),
            "TZ": "UTC",
        }
        with output.open("w") as stdout, output.with_suffix(".err").open("w") as stderr:
            self.process = subprocess.Popen(
                self._command(label),
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    def _command(self, label: str) -> Sequence[str]:
        if self.kind == "psycopg":
            return [sys.executable, str(CLIENTS / "load.py"), label]
        if self.kind == "pgbench":
            script = self.folder / f"{label}.sql"
            script.write_text(_PGBENCH.replace("KEY", label))
            url = self.pooler.url()
            return [
                "pgbench", "--no-vacuum", "--protocol=simple", "--rate=50", "--client=4", "--time=3600", "--define=number=0",
                "--log", f"--log-prefix={self.folder / label}", f"--file={script}", url,
            ]  # fmt: skip
        # One process: the `tsx` program passes a signal of its group on, and the second one would end its child.
        return ["node", "--import", "tsx", "clients/load.ts", label, self.kind]

    def stop(self) -> None:
        if self.process is None:
            return
        # SIGALRM is the end of pgbench's own time: it finishes its transactions and writes its log.
        os.killpg(self.process.pid, signal.SIGALRM if self.kind == "pgbench" else signal.SIGTERM)
        try:
            self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        self.process = None

    def results(self) -> list[Done]:
        return [done for output in self.runs for done in self._results(output)]

    def _results(self, output: Path) -> list[Done]:
        if self.kind == "pgbench":
            found = []
            for log in self.folder.glob(f"{output.stem}.*"):
                if log.suffix in {".out", ".err", ".sql"}:
                    continue
                for line in log.read_text().splitlines():
                    client, number, taken, _, seconds, micros, *_ = line.split()
                    end = int(seconds) + int(micros) / 1e6
                    key = f"{output.stem}-{client}-{number}"
                    found.append(Done(key, end - int(taken) / 1e6, end, ""))
            errors = [one for one in output.with_suffix(".err").read_text().splitlines() if "error:" in one]
            return [*found, *(Done(f"{output.stem}-error", 0, 0, error) for error in errors)]
        lines = [json.loads(line) for line in output.read_text().splitlines() if line.endswith("}")]
        return [Done(one["key"], one["begin"] / 1000, one["end"] / 1000, one["error"]) for one in lines]

    def wait(self, since: float) -> float:
        """Wait for a transaction that ended after `since`; return when it did."""
        until = time.monotonic() + DEADLINE
        while True:
            output = self.runs[-1]
            if self.kind == "pgbench":  # its log is written in blocks, so the server is asked
                with psycopg.connect(self.pooler.url()) as connection:
                    row = connection.execute(
                        """SELECT extract(epoch FROM min(at))::float8 FROM "Note" WHERE key LIKE %s AND at > to_timestamp(%s)""",
                        (f"{output.stem}-%", since),
                    ).fetchone()
                if row is not None and row[0] is not None:
                    return float(row[0])
            else:
                ends = [one.end for one in self._results(output) if not one.error and one.end > since]
                if ends:
                    return min(ends)
            assert self.process is not None
            assert self.process.poll() is None, output.with_suffix(".err").read_text()[-2000:]
            assert time.monotonic() < until, f"{self.name} does not write"
            time.sleep(0.02)


@dataclass
class Load:
    """The four programs on a fleet whose two targets are databases of notes."""

    fleet: Fleet
    programs: list[Program]
    databases: Mapping[str, str]  # target to the URL of its database
    switches: list[tuple[str, float, float]] = field(default_factory=list)  # target, begin, end

    def start(self) -> None:
        since = time.time()
        for program in self.programs:
            program.start()
        for program in self.programs:
            program.wait(since)

    def stop(self) -> None:
        for program in self.programs:
            program.stop()

    def switch(self, target: str) -> None:
        """Switch the pool, which must succeed."""
        begin = time.time()
        code, result = self.fleet.switch(target)
        self.switches.append((target, begin, time.time()))
        assert code == 0, result

    def failed(self) -> list[Done]:
        return [one for program in self.programs for one in program.results() if one.error]

    def written(self) -> dict[str, list[tuple[str, float]]]:
        """The keys in the databases: for each the targets that hold it, and when it was written."""
        found: dict[str, list[tuple[str, float]]] = {}
        for target, url in self.databases.items():
            with psycopg.connect(url) as connection:
                rows = connection.execute(
                    """SELECT key, extract(epoch FROM at)::float8 FROM "Note" WHERE key <> 'where'"""
                )
                for key, at in rows:
                    found.setdefault(key, []).append((target, at))
        return found

    def require_every_write_once(self) -> int:
        """No write is lost, doubled, or in a database that the pool had left; return how many there are."""
        written = self.written()
        told = {one.key for program in self.programs for one in program.results() if not one.error}
        lost = told - written.keys()
        doubled = {key for key, places in written.items() if len(places) > 1}
        untold = written.keys() - told
        assert not lost, sorted(lost)[:5]
        assert not doubled, sorted(doubled)[:5]
        assert not untold, sorted(untold)[:5]
        wrong = []
        for (target, _, end), (_, following, _) in itertools.pairwise(
            [*self.switches, ("", float("inf"), 0.0)]
        ):
            wrong += [
                key for key, [(place, at)] in written.items() if end < at < following and place != target
            ]
        assert not wrong, wrong[:5]
        return len(written)

    def pauses(self) -> list[float]:
        """For each switch the longest transaction, in seconds, that any program had during it."""
        every = [one for program in self.programs for one in program.results()]
        return [
            max(one.end - one.begin for one in every if one.begin < end and one.end > begin)
            for _, begin, end in self.switches
        ]


def load_of(fleet: Fleet, folder: Path) -> Load:
    """Prepare the databases, the pool's lines and the four programs; nothing of it runs yet."""
    fleet.configure(
        pause_timeout=30
    )  # a busy machine may keep a transaction open for longer than the default
    databases = {}
    for target, server in (("local", fleet.local.server), ("prod", fleet.prod.server)):
        name = f"notes_{os.getpid()}_{folder.name.replace('-', '_')}"
        server.execute(f'DROP DATABASE IF EXISTS "{name}"')
        server.create_database(name)
        with server.connect(name) as connection:
            connection.execute((SOURCE / "prisma" / "tables.sql").read_bytes())
            connection.execute(
                'ALTER TABLE "Note" ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp()'
            )
            connection.execute("""INSERT INTO "Note" (key, body) VALUES ('where', current_database())""")
        databases[target] = server.url(name)
        fleet.target(target, databases[target])
    parts = psycopg.conninfo.conninfo_to_dict(databases["local"])
    line = (
        f"{DATABASE} = host=127.0.0.1 port={parts['port']} dbname={parts['dbname']} user={parts['user']} "
        f"password={parts['password']} pool_size=8"
    )
    for pooler in fleet.poolers:
        pooler.write(line)
        pooler.console("RELOAD")
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True)
    (folder / "node_modules").symlink_to(npm.node_modules_for(SOURCE))
    shutil.copytree(generated(), folder / "generated")
    shutil.copytree(CLIENTS, folder / "clients")
    place_client(folder)
    (folder / ".env").write_text(f'DATABASE_URL="{fleet.poolers[0].url()}"\n')
    programs = [
        Program(name, name, pooler, folder)
        for name, pooler in zip(
            ("generated", "classic", "psycopg", "pgbench"), itertools.cycle(fleet.poolers), strict=False
        )
    ]
    return Load(fleet, programs, databases)
