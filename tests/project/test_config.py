from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from dbswitch.errors import ConfigError
from dbswitch.project.config import Config, FromVariable, ServerConfig, ServerMode, VerifyConfig, load, parse


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text.encode())
    return caught.value


def accepted_or_refused(data: bytes) -> bool:
    try:
        parse(data)
    except ConfigError as error:
        return error.what.startswith("dbswitch.toml")
    return True


def test_a_project_without_the_file_works_with_the_defaults(tmp_path):
    assert load(tmp_path) == Config()
    assert load(tmp_path).database.start_deadline == 30
    assert load(tmp_path).database.restart_deadline == 15


def test_a_table_that_is_there_twice_is_named_with_its_line():
    error = refused("[server]\nport = 1\n[server]\nport = 2\n")
    assert error.what == "dbswitch.toml, line 3, column 8: the table [server] appears twice"


def test_every_key_is_read():
    config = parse(b"""
[server]
command = "npm run dev"
port = 4000
ports = [4000, 4001]
ready_path = "/health"
dist_dir = "build"
term_timeout = 1
kill_timeout = 2.5
ready_timeout = 90
[database]
start_deadline = 40
restart_deadline = 20
attempt_timeout = 3
[switch]
mode = "hot"
drain_timeout = 7
[verify]
client = "src/lib/prisma.ts#default.client"
path = "/api/x"
hot_deadline = 4
restart_deadline = 50
[check]
exclude = ["docs/**"]
[check.rules]
DBS101 = "off"
[targets.staging]
protected = true
url_from = "STAGING_URL"
variables = { TOKEN = "abc", OTHER = { from = "OTHER_STAGING" } }
start = ["docker", "compose", "up"]
aliases = ["stage"]
""")
    assert config.server.command == ("npm", "run", "dev")
    assert config.server.ports == (4000, 4001)
    assert (config.server.term_timeout, config.server.kill_timeout) == (1.0, 2.5)
    assert config.switch.mode is ServerMode.HOT
    assert config.switch.drain_timeout == 7
    assert config.verify == VerifyConfig("/api/x", 4, 50, "src/lib/prisma.ts#default.client")
    assert config.check.rules == {"DBS101": "off"}
    target = config.targets["staging"]
    assert (target.protected, target.url_from, target.aliases) == (True, "STAGING_URL", ("stage",))
    assert target.variables == {"TOKEN": "abc", "OTHER": FromVariable("OTHER_STAGING")}
    assert target.start == ("docker", "compose", "up")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server\nport = 1\n", "line 1, column 8: expected"),
        ("[server]\nport = \n", "line 2, column 8: invalid value"),
        ("[server]\nprot = 3000\n", "unknown key `prot` in [server]"),
        ("[servr]\nport = 3000\n", "unknown key `servr` in this file"),
        ("[server]\n  port = '3000'\n", "server.port: expected `int`, got `str`"),
        ("[server]\nport = true\n", "server.port: expected `int`, got `bool`"),
        ("[server]\nport = 70000\n", "server.port: expected `int` <= 65535"),
        ("server.port = 0\n", "server.port: expected `int` >= 1"),
        ("[server]\nports = [1, 'x']\n", "server.ports[1]: expected `int`, got `str`"),
        ("[switch]\nmode = 'hto'\n", "switch.mode: must be one of auto, restart, hot, none"),
        ("[server]\nready_path = 'x'\n", "server.ready_path: must be a path on the app"),
        ("[server]\ndist_dir = '../x'\n", "server.dist_dir: must be a path inside the project"),
        ("[server]\ndist_dir = 'a/..'\n", "server.dist_dir: must be a path inside the project"),
        ("[database]\nrestart_deadline = 0\n", "database.restart_deadline: expected `float` > 0"),
        ("[database]\nrestart_deadline = nan\n", "database.restart_deadline: expected `float` > 0"),
        (
            "[targets.x]\nurl_from = 'postgres://u:p@h/d'\n",
            "targets.x.url_from: must be the name of a variable",
        ),
        ("[targets.x]\nvariables = { A = { form = 'B' } }\n", "unknown key `form` in [targets.x.variables"),
        ("[targets.x]\ncomand = ['a']\n", "unknown key `comand` in [targets.x]"),
        ("[targets.x]\ncommand = []\n", "targets.x.command is empty"),
        ("[targets.x]\nstart = ''\n", "targets.x.start is empty"),
        ('[targets.x]\ncommand = "a \'b"\n', "targets.x.command: a quote is not closed"),
        ("[targets.x]\ncommand = ['a']\nurl_from = 'B'\n", "targets.x has both `command` and `url_from`"),
        ("[targets.'a b']\n", "`a b` cannot be a target's name"),
        ("targets = 3\n", "targets must be a table"),
        ("\n\n[check.rules]\nDBS1 = 'loud'\n", "must be one of error, warning, info, off"),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite"),
        ("x = '''", "end of document: expected"),
    ],
)
def test_what_is_wrong_is_said_with_the_key_or_the_line(text, says):
    error = refused(text)
    assert says.lower() in error.what.lower()
    assert error.what.startswith("dbswitch.toml")
    assert error.fix


def test_an_unknown_key_suggests_the_closest_known_one():
    assert refused("[server]\nprot = 1\n").fix == "did you mean `port`?"
    assert refused("[swich]\n").fix == "did you mean `switch`?"


def test_a_file_that_is_not_utf8_says_where():
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        parse(b"[server]\ncommand=\xff\n")


def test_a_folder_in_place_of_the_file_is_a_clear_error(tmp_path):
    (tmp_path / "dbswitch.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_a_target_literal_never_shows_in_repr_or_error():
    secret = "s3cr3t-Pa55"
    config = parse(f'[targets.x]\nvariables = {{ DATABASE_URL = "postgres://u:{secret}@h/d" }}\n'.encode())
    assert secret not in repr(config)
    for broken in (
        f'[targets.x]\nvariables = {{ DATABASE_URL = "{secret}"\n',
        f"[targets.x.variables]\nDATABASE_URL = {secret}\n",
        f'[targets.x]\nvariables = {{ DATABASE_URL = ["{secret}"] }}\n',
        f'[targets.x]\nvariables = "{secret}"\n',
        f'[targets.x]\nurl_from = "{secret}"\n',
    ):
        error = refused(broken)
        assert secret not in repr((error.what, error.facts, error.why, error.fix))


def test_every_key_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "config.md").read_text()
    for field in ServerConfig.__struct_fields__:
        assert f"`{field}`" in page, field
    for key in [
        "start_deadline",
        "restart_deadline",
        "attempt_timeout",
        "mode",
        "path",
        "exclude",
        "variables",
        "url_from",
        "command",
        "env_file",
        "protected",
        "start",
        "aliases",
        "command_timeout",
        "rules",
        "from",
    ]:
        assert f"`{key}`" in page, key


def test_every_example_of_the_page_is_accepted():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "config.md").read_text()
    examples = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    assert len(examples) >= 4
    for example in examples:
        parse(example.encode())


@given(st.binary(max_size=200))
def test_any_bytes_give_settings_or_a_config_error(data):
    assert accepted_or_refused(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda x: st.lists(x, max_size=2),
        max_leaves=4,
    )
)
def test_any_value_for_any_known_key_is_accepted_or_refused(value):
    import json

    if value is None:
        return
    for key in (
        "server.port",
        "server.ports",
        "server.command",
        "switch.mode",
        "targets.x.variables",
        "check.exclude",
    ):
        table, _, name = key.rpartition(".")
        text = f"[{table}]\n{name} = {json.dumps(value)}\n"
        assert accepted_or_refused(text.encode("utf-8", "surrogatepass"))
