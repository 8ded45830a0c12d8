"""`serve`, `project` and `work`: one role of the service, until it is told to stop."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from api.cli.options import data_dir_option
from api.garbage import collect_less_often
from api.settings import Settings, SettingsError

RoleMain = Callable[[Settings], Coroutine[Any, Any, None]]
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
        runner.run(until_stopped(role(settings), supervised=supervised))


def allow_many_files() -> None:
    """As many as an administrator allows: each client holds one, and the usual limit is 1,024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def until_stopped(role: Coroutine[Any, Any, None], *, supervised: bool) -> None:
    """A signal, or the end of our supervisor, cancels the role, which then ends in good order.

    Once: the terminal and our supervisor both tell it, and standard input stays at its end.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(role)

    def stop() -> None:
        if not task.cancelling():  # again would cut short what it does in order to end
            task.cancel()
            if supervised:
                loop.remove_reader(sys.stdin.fileno())

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), stop)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    finally:
        if supervised:
            loop.remove_reader(sys.stdin.fileno())
