"""`eulermaker events tail`: the log as it grows, over a WebSocket that resumes where it was."""

from collections.abc import AsyncGenerator, Mapping

import aiohttp
import click
import msgspec

from api.cli import output
from api.cli.checkpoint_file import Checkpoint
from api.cli.client import ApiClient
from api.cli.history import show_event
from api.cli.patience import Patience
from api.cli.problems import NotAllowed, NotNow, Problem, ServiceUnreachable
from api.cli.session import client_command
from api.cli.wire import EventView

REVOKED = 4401


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """An event, or only how far the log was searched."""

    event: msgspec.Raw = msgspec.Raw()
    position: int | None = None


class _Positioned(msgspec.Struct, frozen=True, kw_only=True):
    position: int


@click.group()
def events() -> None:
    """Follow the log of events."""


@events.command("tail")
@click.option(
    "--from", "start", type=click.IntRange(0), help="After this position; else what comes now."
)
@click.option("--type", "types", multiple=True, help="Only events of this type; repeatable.")
@click.option("--stream", help="Only this stream, like build-….")
@client_command
async def tail(
    client: ApiClient,
    *,
    start: int | None,
    types: tuple[str, ...],
    stream: str | None,
    as_json: bool,
) -> None:
    """Show events as they are recorded, until Ctrl-C.

    After a broken connection it goes on where it was: none is missed, none shown twice.
    """
    if start is None:
        start = (await client.read("/v1/checkpoint", Checkpoint)).position
    query = {"types": ",".join(types) or None, "stream": stream}
    async for document in follow_events(client, query, start):
        if as_json:
            output.show_json(document)
        else:
            show_event(output.decode(document, EventView), with_stream=True)


async def follow_events(
    client: ApiClient, query: Mapping[str, str | int | None], position: int
) -> AsyncGenerator[bytes]:
    """Over as many connections as it takes."""
    patience = Patience()
    while True:
        try:
            async with client.websocket("/v1/events", {**query, "from": position}) as socket:
                patience.heard()
                async for received in socket:
                    if received.type is not aiohttp.WSMsgType.TEXT:
                        continue
                    message = msgspec.json.decode(received.data, type=Message)
                    if message.event:
                        position = msgspec.json.decode(message.event, type=_Positioned).position
                        yield bytes(message.event)
                    elif message.position is not None:
                        position = message.position
                if socket.close_code == REVOKED:
                    raise NotAllowed(Problem(detail="The key was revoked while it was used."))
            broken: ServiceUnreachable | NotNow = ServiceUnreachable(
                client.url, "the stream of events was closed"
            )
        except (ServiceUnreachable, NotNow) as error:
            broken = error
        await patience.wait(broken)
