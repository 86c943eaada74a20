from __future__ import annotations

import pytest

from dbswitch.project.discovery import discover
from dbswitch.project.server_launch import build


def spec(folder, ambient=None):
    return build(discover(folder.root), ambient or {})


def with_next(folder):
    folder.write("node_modules/next/package.json", '{"version": "16.0.7"}')
    return folder.write("node_modules/next/dist/bin/next", "")


def test_a_plain_next_dev_is_run_as_node_on_its_own_entry_point(folder):
    folder.package(scripts={"dev": "next dev --turbo"})
    entry = with_next(folder)
    built = spec(folder)
    assert built.argv[1:] == (str(entry), "dev", "--turbo")
    assert built.argv[0].endswith("node")
    assert (built.port, built.port_explicit, built.port_flag) == (3000, False, True)
    assert built.dist_dir == folder.root / ".next"
    assert built.state_dir == folder.root / ".dbswitch"


@pytest.mark.parametrize("flag", ["-p 4100", "--port 4100", "--port=4100"])
def test_the_port_of_the_script_is_taken_out_and_respected(folder, flag):
    folder.package(scripts={"dev": f"next dev {flag} --turbo"})
    with_next(folder)
    built = spec(folder)
    assert (built.port, built.port_explicit) == (4100, True)
    assert built.argv[2:] == ("dev", "--turbo")


@pytest.mark.parametrize(
    ("scripts", "why"),
    [
        ({"dev": "next dev", "predev": "prisma generate"}, "a pre script"),
        ({"dev": "next dev", "postdev": "echo"}, "a post script"),
        ({"dev": "NODE_OPTIONS=--inspect next dev"}, "a variable before it"),
        ({"dev": "prisma generate && next dev"}, "two commands"),
        ({"dev": "dotenv -e .env.x -- next dev"}, "a wrapper"),
        ({"dev": "next dev -p $PORT"}, "a shell variable"),
        ({"dev": "concurrently 'next dev' 'x"}, "an open quote"),
    ],
)
def test_anything_else_runs_through_the_package_manager(folder, scripts, why):
    folder.package(scripts=scripts)
    with_next(folder)
    assert spec(folder).argv[:3] == ("npm", "run", "dev"), why


def test_the_configured_command_and_port_win(folder):
    folder.package(scripts={"dev": "next dev -p 4100"})
    folder.write(
        "dbswitch.toml",
        '[server]\ncommand = "vite --host"\nport = 5000\nready_path = "/up"\nready_timeout = 7\n',
    )
    built = spec(folder, {"PORT": "9"})
    assert (built.argv, built.port, built.port_flag) == (("vite", "--host"), 5000, False)
    assert (built.ready_path, built.limits.ready) == ("/up", 7)


def test_the_ports_of_script_shell_and_default_come_in_this_order(folder):
    folder.package(scripts={"dev": "PORT=4200 next dev"})
    assert spec(folder, {"PORT": "9"}).port == 4200
    folder.package()
    assert (spec(folder, {"PORT": "4300"}).port, spec(folder, {"PORT": "4300"}).port_explicit) == (4300, True)
    assert (spec(folder, {"PORT": "abc"}).port, spec(folder, {"PORT": "abc"}).port_explicit) == (3000, False)


def test_the_host_name_of_the_script_is_the_one_to_ask(folder):
    folder.package(scripts={"dev": "next dev -H app.test --experimental-https"})
    assert (spec(folder).hostname, spec(folder).https) == ("app.test", True)
    folder.package(scripts={"dev": "next dev --hostname 0.0.0.0"})
    assert spec(folder).hostname == "localhost"


def test_a_project_without_a_server_can_still_be_described(folder):
    folder.write("dbswitch.toml", "")
    built = spec(folder)
    assert (built.argv, built.alive_path) == ((), None)
