"""A real Chromium for tests, driven by playwright through `tests/node/browser/bridge.mjs`."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import npm

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[1] / "node" / "browser"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def executable() -> str:
    """Return the browser: `$CHROMIUM`, else the first of the usual names on the PATH."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or name one in $CHROMIUM)")
    return found


class Browser:
    """One page in one browser. `run` is JavaScript with `page`, `context`, `axe()`, `fresh()`, `renew()` and `shown` in reach.

    `shown` is the record of what the page showed: each different text of its `main`, over reloads.
    """

    def __init__(self) -> None:
        modules = npm.node_modules_for(FOLDER)
        self._process = subprocess.Popen(
            ["node", str(FOLDER / "bridge.mjs"), str(modules), executable()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def run(self, code: str, *, timeout: float = 150) -> Any:
        """Return what `code` returns; fail with its error."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"code": code}) + "\n")
        self._process.stdin.flush()
        line = self._lines.get(timeout=timeout)
        assert line, "the browser is gone"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def text(self) -> str:
        return str(self.run("return await page.innerText('main')"))

    def forget_shown(self) -> None:
        """Empty the record of what the page showed."""
        self.run("shown.length = 0")

    def wait_until_shown(self, *texts: str, timeout: float = 120) -> list[str]:
        """Return the record as soon as one of its entries contains all of `texts`, which may have gone by now."""
        found: list[str] = self.run(
            f"""
            const end = Date.now() + {timeout * 1000:.0f};
            while (!shown.some((one) => {json.dumps(texts)}.every((text) => one.includes(text)))) {{
              if (Date.now() > end) throw new Error("not shown: " + shown.slice(-2).join("\\n---\\n"));
              await new Promise((resolve) => setTimeout(resolve, 20));
            }}
            return shown;
            """,
            timeout=timeout + 30,
        )
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def shared_browser() -> Iterator[Browser]:
    """The browser of a worker."""
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def browser(shared_browser: Browser) -> Browser:
    """The worker's browser with nothing kept from other tests."""
    shared_browser.run("await renew()")
    return shared_browser
