"""The events of one aggregate, oldest first, as people and as programs read them."""

from collections.abc import AsyncIterator

import click
import msgspec

from api.cli import output
from api.cli.client import ApiClient
from api.cli.wire import EventView

PAGE = 500


class _RawPage(msgspec.Struct, frozen=True, kw_only=True):
    """Not decoded: programs get what the service said, with fields that we do not know."""

    items: tuple[msgspec.Raw, ...]
    next: int | None = None


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of any event that say much in few words."""

    attempt: int | None = None
    step: str | None = None
    round: int | None = None
    exit_code: int | None = None
    phase: str | None = None
    reason: str | None = None
    name: str | None = None
    role: str | None = None
    label: str | None = None
    artifacts: tuple[_Named, ...] = ()


async def show_history(client: ApiClient, path: str, *, raw: bool, as_json: bool) -> None:
    async for event in _events(client, path):
        if as_json:
            output.show_json(bytes(event))
        else:
            show_event(output.decode(bytes(event), EventView), with_content=raw)


async def read_history(client: ApiClient, path: str) -> list[EventView]:
    return [output.decode(bytes(event), EventView) async for event in _events(client, path)]


def show_event(event: EventView, *, with_content: bool = False, with_stream: bool = False) -> None:
    stream = f"  {output.terminal_safe(event.stream)}" if with_stream else ""
    click.echo(
        f"{event.position:>8}  {output.moment(event.recorded_at)}  "
        f"{click.style(event.type.ljust(28), bold=True)}{stream}  {brief(event)}".rstrip()
    )
    if with_content:
        click.echo(output.terminal_safe(bytes(event.data).decode(errors="replace")))


def brief(event: EventView) -> str:
    """The few words that tell this event from others of its type."""
    try:
        told = msgspec.json.decode(event.data, type=_Told)
    except msgspec.ValidationError:
        return ""  # of a newer release, or encrypted
    words = [
        f"{field}={value}"
        for field, value in msgspec.structs.asdict(told).items()
        if isinstance(value, str | int) and value != ""
    ]
    names = ", ".join(artifact.name for artifact in told.artifacts)
    return output.terminal_safe(" ".join(filter(None, (*words, names))))


async def _events(client: ApiClient, path: str) -> AsyncIterator[msgspec.Raw]:
    after: int | None = 0
    while after is not None:
        page = await client.read(path, _RawPage, {"after_version": after, "limit": PAGE})
        for event in page.items:
            yield event
        after = page.next
