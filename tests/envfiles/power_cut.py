# Plain names, as the transaction uses them.
# ruff: noqa: PTH115, PTH120
"""What a power cut may leave: a model of a disk that keeps only what was flushed, and any part of the rest.

The model, harsher than any real file system: a file's bytes are durable only once *it* was flushed after they were
written, else they are any of the earlier contents, nothing, or torn; each name in a folder is durable only once the folder was flushed after
its last change, else it is any of the values it had since then, independent of all other names. So a rename may have
come half through: the new name there, the old one gone, or both, or neither.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dbswitch.envfiles import atomic_replace

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

TORN = b"\x00\x00torn"


@dataclass
class File:
    """An inode: every content it had since it was last flushed; the last one is the present."""

    contents: list[bytes] = field(default_factory=lambda: [b""])

    def may_be(self) -> list[bytes]:
        if len(self.contents) == 1:
            return self.contents
        return [*self.contents, self.contents[-1][: len(self.contents[-1]) // 2], TORN]


class Disk:
    """Records the effects of this process below `root` and says what a power cut could leave of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[
            int, File
        ] = {}  # by inode number; the recorder keeps every file alive, so none is reused
        # For each name all values since its folder was last flushed, the last one is the present; None is "no file".
        self.names: dict[str, list[int | None]] = {}
        self._alive: list[int] = []
        self.effects = 0
        for path in [p for p in root.rglob("*") if stat.S_ISREG(p.lstat().st_mode)]:
            number = self._meet(str(path))
            self.names[str(path)] = [number]

    def _meet(self, path: str) -> int:
        fd = REAL["open"](path, os.O_RDONLY)
        number = os.fstat(fd).st_ino
        if number in self.files:
            REAL["close"](fd)
        else:
            self._alive.append(fd)
            self.files[number] = File([Path(path).read_bytes()])
        return number

    def name(self, path: str, number: int | None) -> None:
        self.names.setdefault(path, [None]).append(number)

    def flush_folder(self, path: str) -> None:
        for name, values in self.names.items():
            if os.path.dirname(name) == path:
                del values[:-1]

    def close(self) -> None:
        for fd in self._alive:
            REAL["close"](fd)

    def images(self, limit: int, source: random.Random) -> Iterator[dict[str, bytes]]:
        """Yield what may be on the disk: all combinations where there are at most `limit`, else as many at random."""
        open_names = sorted(name for name, values in self.names.items() if len(set(values)) > 1)
        fixed = {name: values[-1] for name, values in self.names.items() if name not in open_names}
        unsure = sorted(
            {n for v in self.names.values() for n in v if n is not None and len(self.files[n].contents) > 1}
        )
        choices = [list(dict.fromkeys(self.names[name])) for name in open_names]
        choices += [list(dict.fromkeys(self.files[number].may_be())) for number in unsure]
        total = 1
        for choice in choices:
            total *= len(choice)
        if total <= limit:
            picks = itertools.product(*choices)
        else:
            picks = (tuple(source.choice(choice) for choice in choices) for _ in range(limit))
        for pick in picks:
            names = {**fixed, **dict(zip(open_names, pick, strict=False))}
            contents = dict(zip(unsure, pick[len(open_names) :], strict=True))
            yield {
                name: contents.get(number, self.files[number].contents[-1])
                for name, number in names.items()
                if number is not None
            }


REAL = {
    name: getattr(os, name)
    for name in ("open", "write", "ftruncate", "fsync", "rename", "link", "unlink", "close")
}


@contextlib.contextmanager
def recorded(disk: Disk, after: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Have every effect of this process below the disk's root recorded; `after` is called after each."""

    def inside(path: object) -> bool:
        return os.fsdecode(path).startswith(f"{disk.root}/")

    def effect() -> None:
        disk.effects += 1
        after()

    def number_of(path: str) -> int:
        return os.lstat(path).st_ino

    def open_(path, flags, *args, **kwargs):
        existed = os.path.lexists(path)
        fd = REAL["open"](path, flags, *args, **kwargs)
        if inside(path) and flags & os.O_CREAT and not existed:
            disk.name(os.fsdecode(path), disk._meet(os.fsdecode(path)))
            effect()
        return fd

    def write(fd, content):
        count = REAL["write"](fd, content)
        changed(fd)
        return count

    def ftruncate(fd, length):
        REAL["ftruncate"](fd, length)
        changed(fd)

    def changed(fd):
        file = disk.files.get(os.fstat(fd).st_ino)
        if file is not None:
            path = f"/proc/self/fd/{fd}"
            file.contents.append(Path(path).read_bytes())
            effect()

    def fsync(fd):
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            disk.flush_folder(os.readlink(f"/proc/self/fd/{fd}"))
        elif status.st_ino in disk.files:
            del disk.files[status.st_ino].contents[:-1]
        effect()

    def rename(source, target):
        number = number_of(source)
        REAL["rename"](source, target)
        disk.name(os.fsdecode(target), number)
        disk.name(os.fsdecode(source), None)
        effect()

    def link(source, target, **kwargs):
        REAL["link"](source, target, **kwargs)
        disk.name(os.fsdecode(target), number_of(source))
        effect()

    def unlink(path):
        REAL["unlink"](path)
        disk.name(os.fsdecode(path), None)
        effect()

    real_exchange = atomic_replace.exchange

    def exchange(one, other):
        exchanged = real_exchange(one, other)
        if exchanged:
            for path in (one, other):
                disk.name(path, number_of(path))
            effect()
        return exchanged

    replaced = {
        "open": open_, "write": write, "ftruncate": ftruncate, "fsync": fsync,
        "rename": rename, "link": link, "unlink": unlink,
    }  # fmt: skip
    for name, function in replaced.items():
        setattr(os, name, function)
    atomic_replace.exchange = exchange
    try:
        yield
    finally:
        for name in replaced:
            setattr(os, name, REAL[name])
        atomic_replace.exchange = real_exchange
