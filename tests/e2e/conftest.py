"""One app for the tests of a worker that only need a server on `local`: a start of Next.js takes seconds of both cores."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.support.nextapp import apps, env_local

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.nextapp import AppFolder
    from tests.support.postgres import ShopServer


class OnLocal(Protocol):
    def __call__(self, prod: str, files: Mapping[str, str] | None = None) -> AppFolder:
        """Return the app, on `local`, with `prod` as its other target; `files` instead of the usual `.env.local`."""


@pytest.fixture(scope="session")
def _app() -> Iterator[AppFolder]:
    with apps() as make:
        yield make()


@pytest.fixture
def app_on_local(_app: AppFolder, postgres_local: ShopServer) -> OnLocal:
    def reset(prod: str, files: Mapping[str, str] | None = None) -> AppFolder:
        files = files or {".env.local": env_local(postgres_local.url, prod)}
        former = _remove_env_files(_app, set(files))
        for name, text in files.items():
            _app.write(f"{name}.fresh", text).rename(_app.root / name)
        (_app.root.parent / "dbswitch.log").unlink(missing_ok=True)
        # Next.js does not notice that a file was deleted, and its classic client keeps the database of its start.
        if former or not _is_on(_app, postgres_local):
            _app.stop()
            started = _app.dbswitch("dev", "--detach")
            assert started.returncode == 0, started.stderr
        return _app

    return reset


def _remove_env_files(app: AppFolder, kept: set[str]) -> list[str]:
    shutil.rmtree(app.root / "env", ignore_errors=True)
    former = [path for path in app.root.glob(".env*") if path.name not in kept]
    for path in former:
        path.unlink()
    return [path.name for path in former]


def _is_on(app: AppFolder, server: ShopServer) -> bool:
    answer = app.get() if len(app.next_servers()) == 1 else None
    return answer is not None and answer.status == 200 and answer.json["database"] == server.shop.database
