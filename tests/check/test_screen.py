"""The screen may only ever say "clean" where the engine finds nothing, and it must say so for everyday commits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from dbswitch.check import needles
from dbswitch.check.command import main
from dbswitch.check.content import find_secret
from dbswitch.check.screen import answer, is_clean
from tests.check.corpus import APP, LOCAL, MUST_FIND, MUST_NOT_FIND, PROD, PROD_HOST, SUFFIXED, Case

EVERYDAY = {
    "src/db.ts": "export const url = process.env.DATABASE_URL\n",
    "src/a.tsx": "export const a = 1\n" * 50,
}


def findings(capsys):
    main(["--json", "--strict"])
    return json.loads(capsys.readouterr().out)["findings"]


@pytest.mark.parametrize("case", [*MUST_FIND, *MUST_NOT_FIND], ids=lambda case: case.name)
def test_the_screen_never_calls_clean_what_the_engine_has_findings_for(
    case: Case, repository, monkeypatch, capsys
):
    repository.build(case)
    monkeypatch.chdir(repository.root)
    for key, value in case.ambient.items():
        monkeypatch.setenv(key, value)
    if is_clean([]):
        assert findings(capsys) == []


@pytest.mark.parametrize(
    "tree",
    [
        {".env.local": SUFFIXED},
        {
            ".env": f"# DATABASE_URL={PROD}\nDATABASE_URL={LOCAL}\n",
            "env/prod.env": f"DATABASE_URL={PROD}\nMODE=live\n",
        },
        {
            ".env.local": f"export DATABASE_URL={LOCAL}\n",
            "dbswitch.toml": "# [targets.prod]\n[check.rules]\n",
        },
    ],
)
def test_an_everyday_commit_needs_the_screen_only(repository, monkeypatch, capsys, tree):
    repository.commit(APP)
    repository.stage(EVERYDAY)
    repository.write(tree)
    monkeypatch.chdir(repository.root)
    assert is_clean([])
    assert is_clean(["--quiet", "--strict"])
    assert findings(capsys) == []


TRAPS = {
    "a reference makes the protected target active": {
        ".env": f'DATABASE_URL_PROD={PROD}\nDATABASE_URL="${{DATABASE_URL_PROD}}"\n'
    },
    "a reference by way of another variable": {
        ".env": f"DATABASE_URL_PROD={PROD}\nX=$DATABASE_URL_PROD\nDATABASE_URL=${{X}}\n"
    },
    "the host comes from a variable of its own": {
        ".env": f"DATABASE_URL_PROD={PROD}\nDB={PROD_HOST}\nDATABASE_URL={PROD.replace(PROD_HOST, '${DB}')}\n"
    },
    "the host in capital letters": {
        ".env": f"DATABASE_URL_PROD={PROD}\nDATABASE_URL={PROD.replace(PROD_HOST, PROD_HOST.upper())}\n"
    },
    "a protected target on this machine": {
        ".env": "DATABASE_URL_PROD=postgres://a:b@localhost/p\nDATABASE_URL=postgres://a:b@localhost/p\n"
    },
    "a value on the next line": {
        "env/prod.env": f"DATABASE_URL=\n'{PROD}'\n",
        ".env": f"DATABASE_URL=\n'{PROD}'\n",
    },
    "a target that only the configuration protects": {
        "dbswitch.toml": "[targets.qa]\nprotected = true\n",
        "env/qa.env": f"DATABASE_URL={PROD}\n",
        ".env": f"DATABASE_URL={PROD}\n",
    },
}


@pytest.mark.parametrize("tree", TRAPS.values(), ids=TRAPS)
def test_traps_are_left_to_the_engine(repository, monkeypatch, capsys, tree):
    repository.commit(APP)
    repository.stage({"src/a.ts": "export const a = 1\n"})
    repository.write(tree)
    monkeypatch.chdir(repository.root)
    assert not is_clean([])


def test_anything_unusual_is_left_to_the_engine(repository, monkeypatch, tmp_path):
    repository.commit(APP)
    monkeypatch.chdir(repository.root)
    assert is_clean([])
    for words in (["--all"], ["--rev", "A..B"], ["--json"], ["src/a.ts"], ["--format=sarif"], ["--help"]):
        assert not is_clean(words)
    os.mkfifo(".env.local")
    assert not is_clean([])
    monkeypatch.chdir(tmp_path)
    assert not is_clean([])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=30))
def test_a_needle_stands_in_every_spelling_the_engine_can_see(secret):
    from urllib.parse import quote

    piece = needles.needle(secret)
    if not piece:
        return
    spellings = [
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        secret.replace("$", "$$"),
        secret.replace("'", "''"),
        quote(secret, safe="!*'()"),
    ]
    for spelling in spellings:
        assert piece in spelling
        assert list(find_secret(f"x = '{spelling}'\n".encode(), secret)), spelling


def test_the_screen_loads_nothing_heavy(repository, monkeypatch):
    repository.commit(APP)
    repository.stage(EVERYDAY)
    repository.write({".env.local": SUFFIXED})
    code = (
        "import sys; before = set(sys.modules); from dbswitch.check.screen import is_clean; assert is_clean([]);"
        "print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=repository.root,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    heavy = "dataclasses inspect typing subprocess pathlib json argparse tomllib urllib.parse psycopg rich typer dotenv psutil"
    assert not loaded & set(heavy.split())


def test_the_screen_answers_in_the_engines_words(repository, monkeypatch, capsys):
    repository.commit(APP)
    monkeypatch.chdir(repository.root)
    assert answer([])
    words = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == words
    assert answer(["--quiet"])
    assert capsys.readouterr().out == ""
