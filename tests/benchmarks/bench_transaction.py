"""What the transaction costs: six env files changed as one, against the bare write + fsync + rename of the same bytes.

Both in one run and in turn, so that a busy machine or a slow disk hits both. Prints medians and a ratio; asserts nothing.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from dbswitch.envfiles.transaction import FileChange, apply

FILES = 6
ROUNDS = 60
CONTENTS = [
    b"".join(b"KEY_%d='value %d'\n" % (line, line) for line in range(40)) + b"DATABASE_URL='%s'\n" % name
    for name in (b"postgres://one", b"postgres://two")
]


def bare(folder: Path, new: bytes) -> None:
    """Replace every file for itself: each safe, all together not."""
    for number in range(FILES):
        path = folder / f".env.{number}"
        draft = path.with_suffix(".draft")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, new)
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(path)


def bare_with_folder(folder: Path, new: bytes) -> None:
    """The same, each rename made durable as well."""
    for number in range(FILES):
        path = folder / f".env.{number}"
        draft = path.with_suffix(".draft")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, new)
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(path)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def transaction(folder: Path, new: bytes, old: bytes) -> None:
    """All files as one, through the journal."""
    changes = [FileChange(folder / f".env.{number}", old, new) for number in range(FILES)]
    apply(changes, folder / "state" / "journal")


def main() -> None:
    """Measure and print."""
    times: dict[str, list[float]] = {"bare": [], "bare, folder flushed": [], "transaction": []}
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else ".") as name:
        folder = Path(name)
        (folder / "state").mkdir()
        for number in range(FILES):
            (folder / f".env.{number}").write_bytes(CONTENTS[1])
        old, new = CONTENTS[1], CONTENTS[0]
        acts = {
            "transaction": lambda: transaction(folder, new, old),
            "bare": lambda: bare(folder, old),
            "bare, folder flushed": lambda: bare_with_folder(folder, old),
        }
        for turn in range(ROUNDS + 5):
            for label, act in acts.items():
                began = time.perf_counter()
                act()
                if turn >= 5:  # the first ones load code
                    times[label].append(time.perf_counter() - began)
    floor = statistics.median(times["bare"])
    print(f"six env files of {len(CONTENTS[0])} bytes, {ROUNDS} rounds, medians")
    for label, values in times.items():
        median = statistics.median(values)
        print(f"  {label:22} {median * 1000:7.2f} ms   {median / floor:5.2f} x bare")


if __name__ == "__main__":
    main()
