from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dbswitch.check.autofix import with_lines
from dbswitch.check.rules import RuleId
from dbswitch.envfiles.readers import bash_reading
from tests.check.conftest import main
from tests.check.corpus import APP, LOCAL, PACKAGE, PROD, PROD_HOST, PROD_PASSWORD, REAL, SUFFIXED
from tests.cli.running import environment

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def leak(repository, monkeypatch):
    repository.commit(APP)
    repository.stage({"src/a.ts": f"const u = '{REAL}'\nprocess.env.DIRECT_URL\n"})
    repository.write({".env.local": SUFFIXED})
    monkeypatch.chdir(repository.root)
    return repository


def findings(capsys, *words):
    code = main([*words, "--json"])
    return code, [
        (one["rule"], one["path"], one["line"]) for one in json.loads(capsys.readouterr().out)["findings"]
    ]


@pytest.mark.parametrize("flags", [(), ("--all",)])
def test_a_gitignore_that_is_a_fifo_is_named_at_once(leak, capsys, monkeypatch, flags):
    def git_waits_for_it(*_arguments, **_options):
        raise AssertionError("git was started")

    (leak.root / ".gitignore").unlink(missing_ok=True)
    os.mkfifo(leak.root / ".gitignore")
    real = subprocess.run
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda line, **options: (git_waits_for_it if "--exclude-standard" in line else real)(line, **options),
    )
    assert main([*flags]) == 2
    assert f"{leak.root}/.gitignore is not a regular file" in capsys.readouterr().err


def test_text_names_place_severity_rule_reason_and_fix(leak, capsys):
    assert main([]) == 1
    text = capsys.readouterr().out
    assert re.search(r"^src/a\.ts$", text, re.MULTILINE)
    assert re.search(r"1:\d+ +error .* url-with-password$", text, re.MULTILINE)
    assert re.search(r"2:1 +warning DIRECT_URL is read here.* undefined-variable$", text, re.MULTILINE)
    assert text.count("why ") == text.count("fix ") == 2
    assert text.endswith("dbswitch check (index): 1 error, 1 warning\n")
    assert "\033" not in text


def test_a_staged_env_file_is_one_finding_that_lists_every_secret_the_worst_first(
    repository, monkeypatch, capsys
):
    repository.commit(APP)
    tokens = "".join(f"BLOB_{name}_TOKEN=vercel_blob_{name}_A9dK2mQx7LpZ4tVb\n" for name in ("A", "B", "C"))
    content = (
        f"{tokens}PORT=3000\nDATABASE_URL={LOCAL}\nDATABASE_URL_PRODUCTION={PROD}\nOTHER={REAL}\n# {PROD}\n"
    )
    repository.stage({".env.local": content})
    monkeypatch.chdir(repository.root)
    code, found = findings(capsys)
    assert (code, found) == (1, [("env-file-tracked", ".env.local", 1)])
    main([])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[1].startswith(
        "1:1  error .env.local is staged and holds the password of the protected target prod (DATABASE_URL_PRODUCTION) and 5 more"
    )
    rows = [re.split(r"  +", line) for line in lines[2:8]]
    assert rows == [
        ["DATABASE_URL_PRODUCTION", "the password of the protected target prod"],
        ["line 8", "the password of the protected target prod"],
        *([f"BLOB_{name}_TOKEN", "a key or token"] for name in ("A", "B", "C")),
        ["OTHER", "a database URL with a password"],
    ]


def test_undefined_variables_are_one_finding_for_each_file(leak, capsys):
    leak.stage(
        {
            "src/b.ts": "f(process.env.ONE)\nf(process.env.TWO) // dbswitch-check: ignore\nf(process.env.DIRECT_URL)\n"
        }
    )
    main(["--every-variable", "--json", "src/b.ts"])
    (one,) = json.loads(capsys.readouterr().out)["findings"]
    assert one["what"] == "2 variables are read here, but no env file defines them"
    assert one["details"] == ["ONE (line 1)", "DIRECT_URL (line 3)"]
    main(["--json", "src/b.ts"])
    (one,) = json.loads(capsys.readouterr().out)["findings"]
    assert (one["line"], one["what"]) == (3, "DIRECT_URL is read here, but no env file defines it")


def test_json_has_a_version_and_every_part_of_a_finding(leak, capsys):
    main(["--format", "json"])
    value = json.loads(capsys.readouterr().out)
    assert (value["v"], value["scope"]) == (1, "index")
    assert set(value["findings"][0]) == {
        "rule",
        "severity",
        "path",
        "line",
        "column",
        "what",
        "details",
        "why",
        "fix",
        "fixable",
    }


def test_github_annotations_are_one_escaped_line_each(repository, monkeypatch, capsys):
    repository.stage({**APP, "a,b:c.ts": f"const u = '{REAL}'\n"})
    monkeypatch.chdir(repository.root)
    assert main(["--format", "github"]) == 1
    line = capsys.readouterr().out
    assert line.startswith("::error file=a%2Cb%3Ac.ts,line=1,col=12,title=dbswitch url-with-password::")
    assert line.count("\n") == 1


def test_github_annotations_hold_no_control_character_of_a_file_name(repository, monkeypatch, capsys):
    repository.stage({**APP, "a\x1b]0;title\x07\u202e.ts": f"const u = '{REAL}'\n"})
    monkeypatch.chdir(repository.root)
    assert main(["--format", "github"]) == 1
    assert capsys.readouterr().out.removesuffix("\n").isprintable()


def test_sarif_has_the_shape_of_version_2_1_0(leak, capsys):
    main(["--format", "sarif"])
    log = json.loads(capsys.readouterr().out)
    run = log["runs"][0]
    assert log["version"] == "2.1.0"
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "src/a.ts"
        assert place["region"]["startLine"] >= 1
        assert result["level"] in {"error", "warning", "note"}


def test_warnings_fail_only_with_strict(repository, monkeypatch, capsys):
    repository.commit(APP)
    repository.stage({"src/a.ts": "use(process.env.DIRECT_URL)\n"})
    repository.write({".env.local": SUFFIXED})
    monkeypatch.chdir(repository.root)
    assert main([]) == 0
    assert main(["--strict"]) == 1
    assert "undefined-variable" in capsys.readouterr().out


def test_quiet_prints_nothing_when_nothing_is_found(repository, monkeypatch, capsys):
    repository.commit(APP)
    monkeypatch.chdir(repository.root)
    assert main(["--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_partial_staging_is_judged_by_the_index(leak, capsys):
    leak.write({"src/a.ts": "export {}\n"})
    assert findings(capsys)[1][0] == ("url-with-password", "src/a.ts", 1)
    leak.stage({"src/a.ts": "export {}\n"})
    leak.write({"src/a.ts": f"const u = '{REAL}'\n"})
    assert findings(capsys) == (0, [])
    assert findings(capsys, "--all") == (1, [("url-with-password", "src/a.ts", 1)])


def test_the_index_of_a_partial_commit_is_the_one_git_gives_the_hook(leak, capsys, monkeypatch):
    leak.git("reset", "-q")
    index = leak.root / ".git" / "other-index"
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/other-index")
    leak.git("read-tree", "HEAD")
    assert findings(capsys) == (0, [])
    import subprocess

    subprocess.run(
        ["git", "-C", str(leak.root), "add", "src/a.ts"],
        check=True,
        env={**os.environ, "GIT_INDEX_FILE": str(index)},
    )
    code, found = findings(capsys)
    assert (code, found[0]) == (1, ("url-with-password", "src/a.ts", 1))


def test_a_range_is_judged_by_its_last_commit(repository, monkeypatch, capsys):
    repository.commit(APP)
    repository.commit({"src/a.ts": f"const u = '{REAL}'\n"})
    repository.commit({"src/b.ts": "export {}\n"})
    monkeypatch.chdir(repository.root)
    assert findings(capsys, "--rev", "HEAD~2..HEAD") == (1, [("url-with-password", "src/a.ts", 1)])
    assert findings(capsys, "--rev", "HEAD~1..HEAD") == (0, [])


def test_a_range_gives_away_what_a_commit_inside_it_had(repository, monkeypatch, capsys):
    repository.commit(APP)
    repository.commit({"src/a.ts": f"const u = '{REAL}'\n", ".env.production": f"A=1\nDATABASE_URL={REAL}\n"})
    repository.commit({"src/a.ts": "export {}\n", ".env.production": "A=1\n"})
    repository.commit({"src/b.ts": f"// dbswitch-check: ignore\nconst u = '{REAL}'\n"})
    repository.commit({"src/b.ts": "export {}\n"})
    monkeypatch.chdir(repository.root)
    expected = [("env-file-tracked", ".env.production", 2), ("url-with-password", "src/a.ts", 1)]
    assert findings(capsys, "--rev", "HEAD~4..HEAD") == (1, expected)
    assert findings(capsys, "--rev", "HEAD~4...HEAD", "src/a.ts") == (1, expected[1:])
    assert findings(capsys, "--rev", "HEAD~2..HEAD") == (0, [])


@pytest.mark.parametrize("words", ["", "..", "HEAD", "--cached", "--output=pwned", "--output=pwned..x"])
def test_revisions_that_are_no_range_are_refused_and_never_taken_for_an_option_of_git(leak, capsys, words):
    assert main([f"--rev={words}"]) == 2
    assert "git does not know the range" in capsys.readouterr().err
    assert not list(leak.root.glob("pwned*"))


@pytest.mark.parametrize(("name", "value"), [("diff.relative", "true"), ("diff.orderFile", "/nowhere")])
def test_a_persons_configuration_of_git_hides_nothing(repository, monkeypatch, capsys, name, value):
    repository.commit({"apps/web/package.json": PACKAGE, "apps/web/.gitignore": ".env*\nenv/*.env\n"})
    repository.stage({"lib/a.ts": f"const u = '{REAL}'\n"})
    repository.git("config", name, value)
    monkeypatch.chdir(repository.root / "apps/web")
    assert findings(capsys) == (1, [("url-with-password", "lib/a.ts", 1)])


def test_an_env_file_in_conflict_and_one_with_an_odd_name_are_no_bug(repository, monkeypatch, capsys):
    odd = os.fsdecode(b"my app/env/a\xff.env")
    repository.commit({"my app/package.json": PACKAGE, "my app/.env.local": "A=1\n"})
    (repository.root / "my app/env").mkdir()
    (repository.root / odd).write_text(f"DATABASE_URL={REAL}\n")
    repository.git("add", "-A")
    repository.git("commit", "-q", "-m", "x")
    repository.git("checkout", "-q", "-b", "other")
    repository.commit({"my app/.env.local": "A=2\n"})
    repository.git("checkout", "-q", "main")
    repository.commit({"my app/.env.local": "A=3\n"})
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "-q", "other")
    monkeypatch.chdir(repository.root / "my app")
    assert findings(capsys) == (1, [("env-file-tracked", odd, 1)])


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dump.sql", f"insert into x values ('{PROD_HOST}');\n"),
        (".env.production", "not a binding\n"),
        ("a.ts", "use(process.env.K{})\n"),
        ("b.ts", f"'{REAL}' postgres:\\/\\/a: postgres://<\n"),
    ],
)
def test_the_time_for_many_findings_grows_with_their_number(repository, monkeypatch, capsys, name, line):
    repository.commit(APP)
    repository.stage({name: "".join(line.replace("{}", str(n)) for n in range(8000))})
    repository.write({"env/prod.env": f"DATABASE_URL={PROD}\n"})
    monkeypatch.chdir(repository.root)
    begun = time.process_time()
    main(["--json", "--every-variable"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert sum(len(one["details"]) or 1 for one in found) == 8000
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    "begin", ["postgres:\\/\\/a:", "postgres://<", "postgres://a:@/", "postgres://a?password"]
)
def test_a_line_of_beginnings_of_urls_is_read_in_time(repository, monkeypatch, capsys, begin):
    repository.commit(APP)
    repository.stage({"a.js": begin * 40_000})
    monkeypatch.chdir(repository.root)
    begun = time.process_time()
    assert findings(capsys) == (0, [])
    assert time.process_time() - begun < 5


def test_the_time_for_an_env_file_as_the_shell_reads_it_grows_with_its_lines():
    def seconds(lines):
        text = b"".join(b"KEY_%d=value\n" % number for number in range(lines))
        begun = time.process_time()
        assert len(bash_reading(text).values) == lines
        return time.process_time() - begun

    assert seconds(32_000) < 30 * min(seconds(4_000) for _ in range(3))


def test_only_the_named_files_are_judged(leak, capsys):
    leak.stage({"src/b.ts": f"const u = '{REAL}'\n"})
    assert {path for _, path, _ in findings(capsys, "src/b.ts")[1]} == {"src/b.ts"}


def test_called_in_a_subfolder_it_judges_the_whole_commit(leak, capsys, monkeypatch):
    monkeypatch.chdir(leak.root / "src")
    assert findings(capsys)[1][0] == ("url-with-password", "src/a.ts", 1)
    assert {path for _, path, _ in findings(capsys, "a.ts")[1]} == {"src/a.ts"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rev", "nowhere..HEAD"], "git does not know the range nowhere..HEAD"),
        ([], "[check.rules] in dbswitch.toml names an unknown rule `protected-hots`"),
    ],
)
def test_what_cannot_be_carried_out_exits_with_2(leak, capsys, words, says):
    leak.write({"dbswitch.toml": '[check.rules]\nprotected-hots = "off"\n' if not words else ""})
    assert main(words) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_missing_object_of_a_range_is_told_from_an_unknown_range(leak, capsys):
    leak.commit({})
    leak.commit({"src/new.ts": "export {};\n"})
    name = leak.git("rev-parse", "HEAD:src/new.ts").strip()
    (leak.root / ".git" / "objects" / name[:2] / name[2:]).unlink()
    assert main(["--rev", "HEAD~1..HEAD"]) == 2
    error = capsys.readouterr().err
    assert "git cannot read the content of src/new.ts" in error
    assert "git fsck" in error


def test_outside_a_repository_only_all_works(tmp_path, monkeypatch, capsys):
    (tmp_path / "package.json").write_text(PACKAGE)
    (tmp_path / "a.ts").write_text(f"const u = '{REAL}'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert main([]) == 2
    assert "no git repository here" in capsys.readouterr().err
    assert findings(capsys, "--all") == (1, [("url-with-password", "a.ts", 1)])


def test_fix_adds_ignore_entries_and_example_keys_and_nothing_else(repository, monkeypatch, capsys):
    repository.commit({"package.json": PACKAGE, ".gitignore": "node_modules", ".env.example": 'A=""\n'})
    repository.write(
        {".env.local": f"A=1\nB=2\nDATABASE_URL={LOCAL}\n", "env/prod.env": f"DATABASE_URL={PROD}\n"}
    )
    monkeypatch.chdir(repository.root)
    code, found = findings(capsys, "--all", "--every-variable")
    assert code == 1
    assert {rule for rule, _, _ in found} == {"not-ignored", "example-out-of-step"}
    assert main(["--all", "--fix", "--strict", "--every-variable"]) == 0
    assert (repository.root / ".gitignore").read_text() == "node_modules\n.env*.local\nenv/*.env\n"
    assert (repository.root / ".env.example").read_text() == 'A=""\nB=""\nDATABASE_URL=""\n'
    assert "fixed .gitignore: added .env*.local, env/*.env" in capsys.readouterr().err
    assert PROD_HOST in (repository.root / "env/prod.env").read_text()


@pytest.mark.parametrize("name", ["env/[prod].env", "env/a\nb.env", "#x.env", "!x.env", "a*.env"])
def test_the_entry_for_a_file_with_an_odd_name_ignores_that_file_and_no_other(
    repository, monkeypatch, capsys, name
):
    repository.commit({"package.json": PACKAGE})
    repository.stage({name: f"DATABASE_URL={REAL}\n"})
    monkeypatch.chdir(repository.root)
    assert main(["--fix"]) == 1
    assert main(["--fix"]) == 1
    lines = (repository.root / ".gitignore").read_text().splitlines() if "\n" not in name else []
    assert len(lines) == ("\n" not in name)
    repository.git("rm", "-q", "--cached", "--", name)
    repository.write({"env/b.env": "", "env/p.env": "", "ax.env": ""})
    seen = repository.git("ls-files", "-z", "-o", "--exclude-standard").split("\0")
    assert {"env/b.env", "env/p.env", "ax.env"} <= set(seen)
    assert (name in seen) == ("\n" in name)


def test_fix_leaves_alone_what_it_would_damage(repository, monkeypatch, capsys, tmp_path):
    outside = tmp_path / "mine"
    outside.write_bytes(b"x\n")
    (repository.root / ".gitignore").symlink_to(outside)
    example = "A=\n".encode("utf-16")
    repository.commit({"package.json": PACKAGE, ".env.example": example.decode("latin-1")})
    repository.write({".env.local": "A=1\nB=2\n"})
    monkeypatch.chdir(repository.root)
    assert main(["--all", "--fix", "--every-variable"]) == 1
    assert outside.read_bytes() == b"x\n"
    assert (repository.root / ".env.example").read_bytes() == example


def test_added_lines_keep_the_line_ends_of_the_file():
    assert with_lines(b"a\r\nb", ["c", "a"]) == b"a\r\nb\r\nc\r\n"
    assert with_lines(b"", ["c"]) == b"c\n"
    assert with_lines(b"c\n", ["c"]) == b"c\n"


def test_no_secret_is_printed_in_any_format(repository, monkeypatch, capsys):
    repository.commit(APP)
    repository.stage(
        {
            "src/a.ts": f"'{PROD_PASSWORD}'; '{REAL}'\n",
            ".env": f"X_TOKEN=aB3dE5gH7jK9mN1p\nDATABASE_URL={PROD}\n",
        }
    )
    repository.write({"env/prod.env": f"DATABASE_URL={PROD}\n"})
    monkeypatch.chdir(repository.root)
    for form in ("text", "json", "github", "sarif"):
        for scope in ([], ["--all"]):
            main([*scope, "--format", form])
            output = capsys.readouterr()
            for secret in (PROD_PASSWORD, "q7Rv2LxTn4Ws9Kb", "aB3dE5gH7jK9mN1p", "x9TfLw"):
                assert secret not in output.out + output.err


def test_a_path_cannot_steer_the_terminal(repository, monkeypatch, capsys):
    repository.stage({**APP, "a\033[2Jb.ts": f"const u = '{REAL}'\n"})
    monkeypatch.chdir(repository.root)
    assert main([]) == 1
    assert "\033" not in capsys.readouterr().out


def test_every_rule_has_its_paragraph_with_its_severity():
    page = (DOCS / "rules.md").read_text()
    paragraphs = dict(re.findall(r"^## ([a-z-]+)\n(\w+)", page, re.MULTILINE))
    assert paragraphs == {rule.value: rule.severity.value for rule in RuleId}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    "words", [("check",), ("check", "--json"), ("doctor", "--quiet"), ("doctor", "--json")]
)
def test_an_answer_that_finds_no_room_is_an_expected_failure(leak, words):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dbswitch", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert ("No space left on device" in done.stderr) == ("--json" not in words)
