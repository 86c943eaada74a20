"""The same as `load.ts` with psycopg and its pool: `load.py NAME`."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from psycopg_pool import ConnectionPool


def main(name: str) -> None:
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    url = os.environ["DATABASE_URL"]
    # Prepared statements belong to a server connection, which a transaction pooler gives to the next client.
    with (
        ConnectionPool(url, min_size=2, max_size=5, timeout=60, kwargs={"prepare_threshold": None}) as pool,
        ThreadPoolExecutor(64) as threads,
    ):

        def once(number: int) -> None:
            key, begin, error = f"{name}-{number}", time.time(), ""
            try:
                with pool.connection() as connection:
                    connection.execute('INSERT INTO "Note" (key, body) VALUES (%s, %s)', (key, ""))
                    connection.execute("""SELECT body FROM "Note" WHERE key = 'where'""")
            except Exception as thrown:  # noqa: BLE001
                error = str(thrown).strip()[-200:] or type(thrown).__name__
            line = {"key": key, "begin": begin * 1000, "end": time.time() * 1000, "error": error}
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

        number, next_at = 0, time.monotonic()
        while not ended.wait(max(0.0, next_at - time.monotonic())):
            threads.submit(once, number)
            number, next_at = number + 1, next_at + 0.02


if __name__ == "__main__":
    main(sys.argv[1])
