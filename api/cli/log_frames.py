"""A log from the service, frame by frame; after a broken connection it goes on where it was."""

import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import click
import msgspec

from api.cli import output
from api.cli.client import ApiClient
from api.cli.patience import Patience
from api.cli.problems import NotNow, ServiceUnreachable

ACCEPT = {"Accept": "application/x-ndjson"}


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """offset: resume there. Without text: a sign of life. end: nothing will follow."""

    offset: int
    stream: str = ""
    text: str = ""
    attempt: int = 0
    step: str = ""
    round: int = 0
    end: bool = False


class LogPrinter:
    """stdout to stdout, stderr to stderr; headings between steps for people."""

    def __init__(self, *, as_json: bool, headings: bool = True) -> None:
        self._as_json = as_json
        self._headings = headings and not as_json
        self._part: tuple[str, int] | None = None
        self._raw = {"stdout": not sys.stdout.isatty(), "stderr": not sys.stderr.isatty()}

    def show(self, frame: Frame) -> None:
        if not frame.text:
            return
        if self._as_json:
            output.show_struct(frame)
            return
        self._show_heading(frame)
        text = frame.text if self._raw[frame.stream] else output.terminal_safe(frame.text)
        click.echo(text, nl=False, err=frame.stream == "stderr")

    def _show_heading(self, frame: Frame) -> None:
        part = (frame.step, frame.round)
        if self._headings and frame.step and part != self._part:
            again = f" ({frame.round})" if frame.round > 1 else ""
            click.secho(f"── {frame.step}{again}", fg="cyan", err=True)
        self._part = part


async def read_frames(
    client: ApiClient, path: str, query: Mapping[str, str | int | None], *, offset: int = 0
) -> AsyncGenerator[Frame]:
    """Until the end of the log, over as many connections as it takes."""
    patience = Patience()
    rest = {**query, "offset": offset}
    while True:
        try:
            connection = _connection(client, path, rest)
            async with aclosing(connection) as frames:
                async for frame in frames:
                    patience.heard()
                    rest |= _position(frame)
                    yield frame
                    if frame.end:
                        return
            broken: ServiceUnreachable | NotNow = ServiceUnreachable(
                client.url, "the log stopped before its end"
            )
        except (ServiceUnreachable, NotNow) as error:
            broken = error
        await patience.wait(broken)


def _position(frame: Frame) -> dict[str, int]:
    """With its attempt: unless named, it would be the last one of the next connection's moment."""
    attempt = {"attempt": frame.attempt} if frame.attempt else {}
    return {"offset": frame.offset, **attempt}


async def _connection(
    client: ApiClient, path: str, query: Mapping[str, str | int | None]
) -> AsyncGenerator[Frame]:
    async with client.open(path, query, headers=ACCEPT) as response:
        while (line := await response.content.readuntil(b"\n")).endswith(b"\n"):
            yield output.decode(line, Frame)
