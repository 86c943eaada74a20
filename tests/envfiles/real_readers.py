"""The real readers, one process each: the npm packages in one Node process, bash in one loop of subshells."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.support.npm import node_modules_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER = Path(__file__).parents[1] / "node" / "readers"
DOTENV = ("dotenv16", "dotenv17", "dotenv18")
NEXT = ("next-env-16.0", "next-env-16.4")


class NodeReaders:
    """dotenv 16, 17 and 18, and @next/env of two Next.js releases, in one Node process."""

    def __init__(self, ambient: Mapping[str, str] | None = None) -> None:
        modules = node_modules_for(FOLDER)
        self._process = subprocess.Popen(
            ["node", FOLDER / "read.cjs", modules.parent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": os.environ["PATH"], "TMPDIR": os.environ.get("TMPDIR", "/tmp"), **(ambient or {})},
        )

    def read(self, files: Mapping[str, bytes], *, expand: bool = True) -> dict[str, dict[str, str]]:
        """Return what each reads; without `expand`, @next/env is left out (a reference to itself can end Node)."""
        encoded = {name: base64.b64encode(data).decode() for name, data in files.items()}
        request = {"files": encoded, "expand": expand}
        stdin, stdout = _pipes(self._process)
        stdin.write(json.dumps(request).encode() + b"\n")
        stdin.flush()
        answer = stdout.readline()
        assert answer, "the Node process of the readers ended"
        return json.loads(answer)

    def close(self) -> None:
        _close(self._process)


class BashReader:
    """bash `source`, one process with a subshell per file."""

    def __init__(self, keys: Sequence[str], folder: Path) -> None:
        self.keys = tuple(keys)
        self._file = folder / "sourced"
        self._process = subprocess.Popen(
            [shutil.which("bash") or "bash", "--noprofile", "--norc", FOLDER / "source.bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A redirection in a fuzzed file may create a file.
            cwd=folder,
            env={"PATH": "/nonexistent", "KEYS": " ".join(keys), "LC_ALL": "C.UTF-8"},
        )
        self._rest = b""

    def read(self, data: bytes) -> dict[str, str] | None:
        """Return what is set afterwards; None where the file ended the shell."""
        self._file.write_bytes(data)
        stdin, stdout = _pipes(self._process)
        stdin.write(os.fsencode(self._file) + b"\n")
        stdin.flush()
        fields: list[bytes] = []
        while True:
            while b"\0" in self._rest:
                field, _, self._rest = self._rest.partition(b"\0")
                if field == b"E":
                    if len(fields) != len(self.keys):
                        return None
                    pairs = zip(self.keys, fields, strict=True)
                    return {k: f[1:].decode("utf-8", "surrogateescape") for k, f in pairs if f[:1] == b"S"}
                fields.append(field)
            more = os.read(stdout.fileno(), 1 << 16)
            assert more, "the bash process of the readers ended"
            self._rest += more

    def close(self) -> None:
        _close(self._process)


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _close(process: subprocess.Popen[bytes]) -> None:
    stdin, stdout = _pipes(process)
    stdin.close()
    process.wait(timeout=20)
    stdout.close()
