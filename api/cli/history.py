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
    content = msgspec.json.decode(event.data)
    if not isinstance(content, dict):
        return ""
    shown = ("attempt", "step", "round", "exit_code", "phase", "reason", "name", "status", "label")
    told = [
        f"{key}={content[key]}"
        for key in shown
        if isinstance(content.get(key), str | int) and content[key] != ""
    ]
    if isinstance(content.get("artifacts"), list):
        told.append(", ".join(str(each.get("name")) for each in content["artifacts"]))
    return output.terminal_safe(" ".join(told))


async def _events(client: ApiClient, path: str) -> AsyncIterator[msgspec.Raw]:
    after: int | None = 0
    while after is not None:
        page = await client.read(path, _RawPage, {"after_version": after, "limit": PAGE})
        for event in page.items:
            yield event
        after = page.next
