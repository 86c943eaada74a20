"""The main job on the real stack: the app's own route answers from the right server after every switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dbswitch.database.url import DatabaseUrl
from tests.support.nextapp import LEGS
from tests.support.state import private_dir

if TYPE_CHECKING:
    from tests.e2e.conftest import OnLocal
    from tests.support.nextapp import AppFolder, NextApp
    from tests.support.postgres import ShopServer

pytestmark = pytest.mark.real


def confirmed(app: AppFolder, target: ShopServer) -> tuple[str, ...]:
    """The flag for a protected target."""
    del app
    return ("--confirm", target.shop.database)


def assert_no_password(app: AppFolder, seen: str, *servers: ShopServer) -> None:
    """Neither `seen` nor a file that dbswitch keeps has the password of a server."""
    for folder in (app.root / ".dbswitch", private_dir(app.root)):
        seen += "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())
    for server in servers:
        assert DatabaseUrl.parse(server.url).password.reveal() not in seen


# The demo's page is asked after each switch by tests/demo/test_demo.py, too.
@pytest.mark.parametrize(
    ("leg", "as_demo"),
    [("base", False), *(pytest.param(leg, True, marks=pytest.mark.sweep) for leg in LEGS)],
)
def test_there_and_back_each_time_the_app_itself_answers_from_the_right_server(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer, leg: str, as_demo: bool
) -> None:
    app = next_app(leg, local=postgres_local.url, prod=postgres_prod.url, as_demo=as_demo)
    before = app.read(".env.local")
    seen = ""

    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    app.assert_answers_from(postgres_local)
    if as_demo:
        app.assert_page_shows(postgres_local)
    assert app.ask()["bucket"] == "files-local"

    there = ("prod", postgres_prod, "files-prod")
    for name, server, bucket in (
        there,
        ("local", postgres_local, "files-local"),
        *([there] if as_demo else []),
    ):
        code, events = app.events(name, *confirmed(app, server))
        assert code == 0, events
        assert events[-1]["outcome"] == "switched"
        app.assert_answers_from(server)
        assert app.ask()["bucket"] == bucket
        app.assert_one_server_tree()
        assert (app.read(".env.local") == before) == (name == "local")
        seen += str(events)
    if as_demo:
        app.assert_page_shows(postgres_prod)
    app.assert_clean_log()
    assert_no_password(app, seen, postgres_local, postgres_prod)

    stopped = app.dbswitch("stop")
    assert stopped.returncode == 0, stopped.stderr
    app.assert_no_process()
    assert app.get().status == 0


def test_a_project_with_env_folder_templates_needs_no_configuration(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(
        files={
            ".env": f'DATABASE_URL="{postgres_local.url}"\nBLOB_BUCKET="kept"\n',
            "env/local.env": f"DATABASE_URL={postgres_local.url}\n",
            "env/prod.env": f"DATABASE_URL={postgres_prod.url}\nBLOB_BUCKET=from-prod\n",
        },
    )
    code, events = app.events("prod", *confirmed(app, postgres_prod))
    assert code == 0, events
    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    app.assert_answers_from(postgres_prod)
    assert app.ask()["bucket"] == "from-prod"
    code, events = app.events("local")
    assert code == 0, events
    app.assert_answers_from(postgres_local)
    assert app.ask()["bucket"] == "kept"


@pytest.mark.sweep  # also shown by test_env_loaders.py, which starts its server by hand
def test_a_server_started_by_hand_is_taken_over_and_switched(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url)
    app.start_by_hand()
    app.assert_answers_from(postgres_local)
    code, events = app.events("prod", *confirmed(app, postgres_prod))
    assert code == 0, events
    app.assert_answers_from(postgres_prod)
    app.assert_one_server_tree()
    app.assert_clean_log()


def test_env_local_shadowing_env_is_switched_so_that_every_reader_agrees(
    app_on_local: OnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = app_on_local(
        postgres_prod.url,
        {
            ".env": f"# the Prisma CLI reads this one\nDATABASE_URL={postgres_local.url}\n",
            ".env.local": (
                f"DATABASE_URL='{postgres_local.url}'\n"
                f"DATABASE_URL_LOCAL='{postgres_local.url}'\n"
                f"DATABASE_URL_PROD='{postgres_prod.url}'\n"
            ),
        },
    )
    code, events = app.events("prod", *confirmed(app, postgres_prod))
    assert code == 0, events
    assert postgres_prod.url in app.read(".env")
    assert postgres_local.url not in app.read(".env")
    app.assert_answers_from(postgres_prod)


@pytest.mark.sweep  # also shown by tests/server/test_real_next.py; what is said: tests/switch/test_exported.py
def test_an_exported_url_does_not_win_over_the_env_files(
    next_app: NextApp, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = next_app(local=postgres_local.url, prod=postgres_prod.url, env={"DATABASE_URL": postgres_local.url})
    started = app.dbswitch("dev", "--detach")
    assert started.returncode == 0, started.stderr
    assert "DATABASE_URL" in started.stderr  # what was removed is said once, by name
    code, events = app.events("prod", *confirmed(app, postgres_prod))
    assert code == 0, events
    app.assert_answers_from(postgres_prod)


@pytest.mark.sweep  # also shown by the first test here and tests/demo/test_demo.py
def test_no_output_and_no_file_shows_a_password(
    app_on_local: OnLocal, postgres_local: ShopServer, postgres_prod: ShopServer
) -> None:
    app = app_on_local(postgres_prod.url)
    seen = ""
    for arguments in (("prod", *confirmed(app, postgres_prod)), ("status",), ("history",), ()):
        done = app.dbswitch(*arguments)
        assert done.returncode == 0, done.stderr
        seen += done.stdout + done.stderr
    assert_no_password(app, seen, postgres_local, postgres_prod)
