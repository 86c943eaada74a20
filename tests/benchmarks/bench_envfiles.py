"""What editing one variable of a 2,000-line env file costs, beside other things one can do with the same bytes.

Run it: `python -m tests.benchmarks.bench_envfiles [--runs N]`. "edit" includes reading the result again with the models of
all readers, which is most of it. Ratios are to the first line; nothing is asserted.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv.parser import parse_stream

from dbswitch.envfiles import readers
from dbswitch.envfiles.document import Document

if TYPE_CHECKING:
    from collections.abc import Callable

LINES = 2000
URL = "postgresql://app:p%24%24w@db.example.com:5432/app?sslmode=require&schema=public"


def a_file(lines: int = LINES) -> bytes:
    """Return a file of comments, blank lines and bindings in every quoting, DATABASE_URL in the middle."""
    kinds = (
        "# settings of part {n}, don't touch",
        "",
        "SETTING_{n}=value-{n}",
        'export SETTING_{n}="value {n}"  # with a comment',
        "SETTING_{n}='value # {n}'",
    )
    text = [kinds[n % len(kinds)].format(n=n) for n in range(lines)]
    text[lines // 2] = f'DATABASE_URL="{URL.replace("db.example", "old.example")}"'
    return "\n".join(text).encode() + b"\n"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=15)
    runs = options.parse_args().runs
    data = a_file()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, ".env")
        path.write_bytes(data)

        def read_and_write() -> None:
            fresh = Path(folder, "new")
            with fresh.open("wb") as stream:
                stream.write(path.read_bytes())
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)

        rows: list[tuple[str, Callable[[], object]]] = [
            ("read, write, fsync, rename", read_and_write),
            ("re.sub of one line", lambda: re.sub(rb"(?m)^DATABASE_URL=.*$", b"DATABASE_URL=x", data)),
            ("python-dotenv: parse", lambda: list(parse_stream(io.StringIO(data.decode())))),
            ("dbswitch: parse + render", lambda: Document.parse(data).render()),
            (
                "dbswitch: parse + bindings + render",
                lambda: (d := Document.parse(data)).bindings and d.render(),
            ),
            ("dbswitch: model of dotenv", lambda: readers.dotenv(data)),
            ("dbswitch: model of bash", lambda: readers.bash_reading(data)),
            (
                "dbswitch: parse + edit + render",
                lambda: Document.parse(data).set("DATABASE_URL", URL).render(),
            ),
        ]
        print(f"{LINES} lines, {len(data)} bytes, median of {runs}")
        first = 0.0
        for name, work in rows:
            work()
            times = []
            for _ in range(runs):
                start = time.perf_counter()
                work()
                times.append(time.perf_counter() - start)
            middle = statistics.median(times)
            first = first or middle
            print(f"{name:38} {middle * 1000:9.2f} ms {middle / first:9.2f} x")


if __name__ == "__main__":
    main()
