"""The fixture app itself, started by hand: what the other tests build on. `test_demo.py` runs the same app each time."""

from __future__ import annotations

import json

import pytest

from tests.support.nextapp import LEGS


@pytest.mark.real
@pytest.mark.sweep
@pytest.mark.parametrize("leg", LEGS)
def test_the_app_answers_from_the_database_in_its_env_file(next_app, postgres_local, postgres_prod, leg):
    app = next_app(leg, local=postgres_local.url, prod=postgres_prod.url, as_demo=True)
    app.start_by_hand()
    app.assert_answers_from(postgres_local)
    app.assert_page_shows(postgres_local)
    assert app.ask()["bucket"] == "files-local"
    app.assert_one_server_tree()
    app.assert_clean_log()


@pytest.mark.parametrize("leg", LEGS)
def test_a_lock_file_names_no_download_address(leg):
    lock = json.loads((LEGS[leg] / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
