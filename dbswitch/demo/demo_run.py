"""`dbswitch demo`: the main job on embedded databases and a real app, cleaned up afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dbswitch.errors import ExitCode, ServerError

if TYPE_CHECKING:
    from dbswitch.demo.display import Display
    from dbswitch.demo.shop import Shop
    from dbswitch.demo.stage import Stage
    from dbswitch.switch.interrupts import Interrupts


def run(*, keep: bool = False) -> int:
    """Show the demo; return the exit code.

    Args:
        keep: leave the servers and the app running and print what to try; :func:`stop` ends them.

    Raises:
        ConfigError: something it needs is missing (Node.js, the embedded PostgreSQL, the network).
        DatabaseNotReadyError: an embedded server did not start.
        ServerError: a command of the demo failed, or the app answered from the wrong database.
        InterruptedSwitchError: Ctrl-C or TERM; everything has been removed.
    """
    from dbswitch.demo import demo_packages, programs
    from dbswitch.demo.display import Display
    from dbswitch.demo.stage import Stage, remove_remains
    from dbswitch.switch.interrupts import Interrupts

    display = Display()
    with Interrupts(lambda: display.say("[dim]still cleaning up[/]")) as interrupts:
        demo_packages.require_node()
        programs.find_binaries()
        remove_remains()
        display.title()
        stage: Stage | None = None
        try:
            with interrupts.deferred():
                stage = Stage()
            _set_up(stage, display)
            _play(stage, display)
            if keep:
                with interrupts.deferred():
                    stage.keep()
                    _say_what_to_try(stage, display)
                    stage = None
                return ExitCode.OK
        finally:
            if stage is not None:
                _leave(stage, display, interrupts)
    display.say("\n[green]✓[/] [bold]Done.[/] Everything was stopped, and the folder was removed.")
    return ExitCode.OK


def stop() -> int:
    """End what `dbswitch demo --keep` left running; return the exit code."""
    from dbswitch.demo.display import Display
    from dbswitch.demo.stage import remove_kept

    display = Display()
    removed = remove_kept()
    for folder in removed:
        display.say(f"[green]✓[/] stopped and removed {folder}")
    if not removed:
        display.say("no demo is running")
    return ExitCode.OK


def _set_up(stage: Stage, display: Display) -> None:
    from dbswitch.demo import commands, demo_packages, shop, shop_app

    for name, server, content in (("local", stage.local, shop.LOCAL), ("prod", stage.prod, shop.PROD)):
        with display.step(f'PostgreSQL "{name}" on 127.0.0.1:{server.port}'):
            server.start()
            shop.fill(server, content)
    shop_app.copy_source(stage.app)
    _configure(stage)
    with display.packages() as move:
        demo_packages.install(stage.app, stage.folder / "npm.log", env=stage.environment, on_progress=move)
    with display.step("Prisma client generated"):
        shop_app.generate_client(stage.app, stage.environment)
    with display.step("identity route generated, so that the app itself can confirm its database"):
        commands.run("generate", "route", "--identity-only", folder=stage.app, env=stage.environment)


def _configure(stage: Stage) -> None:
    """Write what a real project has: the port in the dev script, and one env file with both databases."""
    from dbswitch.demo import shop

    manifest = stage.app / "package.json"
    content = json.loads(manifest.read_text())
    content["scripts"]["dev"] = f"next dev -p {stage.port}"
    manifest.write_text(json.dumps(content, indent=2) + "\n")
    local, prod = shop.LOCAL.url(stage.local), shop.PROD.url(stage.prod)
    env_file = stage.app / ".env.local"
    env_file.touch(0o600)
    env_file.write_text(
        "# The database the app uses; `dbswitch TARGET` changes these two lines and nothing else.\n"
        f'DATABASE_URL="{local}"\n'
        'BLOB_BUCKET="uploads-local"\n'
        "\n"
        "# The targets: the same variables with a suffix.\n"
        f'DATABASE_URL_LOCAL="{local}"\n'
        'BLOB_BUCKET_LOCAL="uploads-local"\n'
        f'DATABASE_URL_PRODUCTION="{prod}"\n'
        'BLOB_BUCKET_PRODUCTION="uploads-production"\n'
    )


def _play(stage: Stage, display: Display) -> None:
    from dbswitch.demo import shop

    _act(stage, display, ("dev", "--detach"), shop.LOCAL)
    _act(stage, display, ("prod", "--confirm", shop.PROD.database), shop.PROD)
    _act(stage, display, ("local",), shop.LOCAL)


def _act(stage: Stage, display: Display, arguments: tuple[str, ...], expected: Shop) -> None:
    from dbswitch.demo import answers, commands

    display.command(" ".join(("dbswitch", *arguments)))
    with display.console.status("") as status:
        run = commands.perform(
            *arguments,
            folder=stage.app,
            env=stage.environment,
            on_phase=lambda phase: status.update(f"{display.doing(phase)} ..."),
        )
        if run.exit != 0:
            raise ServerError(f"`{run.shown}` failed in the demo (exit {run.exit}).", facts=run.problem)
        status.update("asking the app's page and route ...")
        said = answers.ask(stage.port)
    display.timeline(run)
    display.answers(said, stage.port)
    if not said.comes_from(expected):
        raise ServerError(
            "The demo app answers from the wrong database.", facts=(f"expected the rows of {expected.name}",)
        )


def _say_what_to_try(stage: Stage, display: Display) -> None:
    from rich.markup import escape

    display.say("\n[bold]It is still running. Try:[/]")
    for command, why in (
        (f"cd {stage.app}", "every command below runs in the app's folder"),
        ("dbswitch", "the current state"),
        ("dbswitch prod --confirm prod", "the same switch again; leave out --confirm to be asked"),
        ("dbswitch -", "back to the previous one"),
        ("dbswitch logs -f", "the dev server's log"),
        (f"curl http://localhost:{stage.port}/api/items", "the app's answer"),
        ("dbswitch demo --stop", "end it and remove its folder"),
    ):
        display.say(f"  {escape(command):<60} [dim]# {why}[/]")


def _leave(stage: Stage, display: Display, interrupts: Interrupts) -> None:
    with interrupts.rolling_back():
        display.say()
        with display.step("stopped the app and both servers, removed the folder"):
            stage.close()
