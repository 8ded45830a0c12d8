"""What every client command shares: where the service is, an open client, and how it ends."""

import asyncio
import functools
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from api.cli.options import data_dir_option, json_option
from api.cli.service_address import ServiceAddress, find_service
from api.cli.unread import discard

ClientCommand = Callable[..., Coroutine[Any, Any, int | None]]

server_option = click.option(
    "--server",
    envvar="EULERMAKER_URL",
    help="The service's address (or EULERMAKER_URL; else the one started here).",
)
key_option = click.option(
    "--key",
    envvar="EULERMAKER_KEY",
    hidden=True,  # other users see arguments; the environment is the way
)


def client_command(run: ClientCommand) -> Callable[..., None]:
    """run gets an open client and the command's own options; it returns the exit status."""

    @server_option
    @key_option
    @data_dir_option
    @json_option
    @functools.wraps(run)
    def command(*, server: str | None, key: str | None, data_dir: Path, **options: Any) -> None:
        service = find_service(server, key, data_dir)
        sys.exit(asyncio.run(_with_client(service, run, options)) or 0)

    return command


async def _with_client(
    service: ServiceAddress, run: ClientCommand, options: dict[str, Any]
) -> int | None:
    from api.cli.client import ApiClient

    with _silent_once_interrupted():
        async with ApiClient(service) as client:
            return await run(client, **options)


@contextmanager
def _silent_once_interrupted() -> Generator[None]:
    """Else Ctrl-C could not end a write to a pipe that nobody reads: Python resumes it."""
    cancel = signal.getsignal(signal.SIGINT)
    if not callable(cancel) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        discard(sys.stdout)
        cancel(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, cancel)
