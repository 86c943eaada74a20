"""What must be found, and what must not: the corpus, through the same entry that the command uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbswitch.check.rules import RuleId
from tests.check.conftest import main
from tests.check.corpus import MUST_FIND, MUST_NOT_FIND, PROD_ENCODED, PROD_PASSWORD, TOKEN, Case

REPOSITORY = Path(__file__).parents[2]


def run(case, repository, monkeypatch, capsys):
    repository.build(case)
    monkeypatch.chdir(repository.root)
    for key, value in case.ambient.items():
        monkeypatch.setenv(key, value)
    code = main([*case.scope, "--json", "--strict"])
    output = capsys.readouterr()
    for secret in (PROD_PASSWORD, PROD_ENCODED, TOKEN, "q7Rv2LxTn4Ws9Kb"):
        assert secret not in output.out + output.err
    value = json.loads(output.out)
    return code, {(one["rule"], one["path"], one["line"]) for one in value["findings"]}


@pytest.mark.parametrize("case", MUST_FIND, ids=lambda case: case.name)
def test_what_must_be_found_is_found_and_nothing_else(case: Case, repository, monkeypatch, capsys):
    code, findings = run(case, repository, monkeypatch, capsys)
    assert findings == case.expected
    assert code == 1


@pytest.mark.parametrize("case", MUST_NOT_FIND, ids=lambda case: case.name)
def test_what_must_not_be_found_is_not_found(case: Case, repository, monkeypatch, capsys):
    code, findings = run(case, repository, monkeypatch, capsys)
    assert findings == set()
    assert code == 0


def test_every_rule_has_a_case_that_must_find_it():
    assert {rule for case in MUST_FIND for rule, _, _ in case.expected} == set(RuleId)


def test_this_repository_full_of_made_up_urls_gives_no_finding_outside_its_corpora(monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a git work tree: what belongs to the repository is not known")
    main(["--all", "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [one for one in found if not one["path"].startswith(("tests/check/", "tests/corpus/"))] == []
    assert found
