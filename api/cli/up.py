"""`eulermaker up`: the whole service on this machine, in the foreground, in one process group."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import click

from api.cli.options import data_dir_option
from api.cli.steps import say
from api.settings import Settings, SettingsError

INTERRUPTED = 130


@click.command()
@click.option("--demo", is_flag=True, help="Then build, install and run GNU hello by the API.")
@click.option("--once", is_flag=True, help="Stop once it is ready, or after the demo.")
@data_dir_option
@click.option("--port", type=click.IntRange(1, 65535), help="Of the service, on loopback.")
def up(*, demo: bool, once: bool, data_dir: Path, port: int | None) -> None:
    """Start the whole service here, in the foreground.

    PostgreSQL and Redis are embedded unless DATABASE_URL and REDIS_URL name others. Ctrl-C stops
    the service; the Docker Engine and what runs in it go on, and nothing is lost.
    """
    # Late: `eulermaker up --help` needs no database driver.
    from adapters.embedded import EmbeddedServerError, own_data_directory, use_servers
    from adapters.postgres.errors import MigrationError
    from api.cli.readiness import NotReady
    from domain.errors import StoreUnavailable

    known = (EmbeddedServerError, MigrationError, NotReady, SettingsError, StoreUnavailable)
    try:
        with own_data_directory(data_dir), use_servers(data_dir):
            settings = _settings(data_dir, port)
            _refuse_taken_port(settings.server.host, settings.server.port)
            status = asyncio.run(_run(settings, demo=demo, once=once))
    except known as error:
        raise click.ClickException(str(error)) from error
    except ExceptionGroup as group:
        explained = group.subgroup(known)
        if explained is None:
            raise
        raise click.ClickException("\n".join(_texts(explained))) from group
    sys.exit(status)


async def _run(settings: Settings, *, demo: bool, once: bool) -> int:
    from api.cli.service import Service

    _cancel_on_signals()
    service = Service(settings, os.environ)
    try:
        async with service.running():
            status = await _run_demo(settings.directory) if demo else 0
            if not once:
                say("Ctrl-C stops the service; containers and builds go on.")
                await asyncio.Event().wait()
            return status
    except asyncio.CancelledError:
        return 0 if service.was_ready and not demo else INTERRUPTED


async def _run_demo(directory: Path) -> int:
    from api.cli.demo import run_demo

    return await run_demo(directory)


def _settings(data_dir: Path, port: int | None) -> Settings:
    port_variable = {} if port is None else {"EULERMAKER_SERVER_PORT": str(port)}
    return Settings.load({**os.environ, **port_variable}, data_dir=str(data_dir))


def _cancel_on_signals() -> None:
    """The first one stops everything in good order; more of them change nothing."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    if main is None:
        raise RuntimeError("Not in a task")

    def stop() -> None:
        if not main.cancelling():
            say("\nStopping …")
            main.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"The service cannot listen on {host}:{port}: {error.strerror}."
                f" Name another port: --port {port + 1}"
            ) from error


def _texts(error: BaseException) -> list[str]:
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [text for each in inner for text in _texts(each)] if inner else [str(error)]
