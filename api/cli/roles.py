"""`serve`, `project` and `work`: one role of the service, until it is told to stop."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from api.cli.options import data_dir_option
from api.garbage import collect_less_often
from api.settings import Settings, SettingsError

RoleMain = Callable[[Settings], Awaitable[None]]
supervised_option = click.option(
    "--supervised", is_flag=True, hidden=True, help="Stop when standard input closes."
)


@click.command()
@data_dir_option
@supervised_option
def serve(*, data_dir: Path, supervised: bool) -> None:
    """Serve the HTTP API and the live streams."""
    from api.roles import serve as role

    _run(role, data_dir, supervised=supervised)


@click.command()
@data_dir_option
@supervised_option
def project(*, data_dir: Path, supervised: bool) -> None:
    """Build the read models from the log."""
    from api.roles import project as role

    _run(role, data_dir, supervised=supervised)


@click.command()
@data_dir_option
@supervised_option
def work(*, data_dir: Path, supervised: bool) -> None:
    """React to events: drive the engine, observe it, and report."""
    from api.roles import work as role

    _run(role, data_dir, supervised=supervised)


def _run(role: RoleMain, data_dir: Path, *, supervised: bool) -> None:
    import uvloop

    try:
        settings = Settings.load(os.environ, data_dir=str(data_dir))
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
    collect_less_often()
    allow_many_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_stopped(role(settings), supervised=supervised))


def allow_many_files() -> None:
    """As many as an administrator allows: each client holds one, and the usual limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _until_stopped(role: Awaitable[None], *, supervised: bool) -> None:
    """A signal, or the end of our supervisor, cancels the role, which then ends in good order."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(role)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    finally:
        if supervised:
            loop.remove_reader(sys.stdin.fileno())
