"""`eulermaker engine …`: which engine the installation is bound to, and how it gets another one."""

import click
import msgspec

from api.cli import output
from api.cli.client import ApiClient
from api.cli.session import client_command
from domain.engines.binding import KnownEngine


class EngineView(msgspec.Struct, frozen=True, kw_only=True):
    bound: KnownEngine | None
    foreign: KnownEngine | None


@click.group()
def engine() -> None:
    """Show the bound container engine; bind another one."""


@engine.command("show")
@client_command
async def show(client: ApiClient, *, as_json: bool) -> None:
    """Show the engine that this installation is bound to, and a foreign one that answers."""
    document = await client.get("/v1/engine")
    if as_json:
        output.show_json(document)
        return
    found = output.decode(document, EngineView)
    bound = str(found.bound) if found.bound else "no engine yet: the first that answers"
    click.echo(f"Bound to {output.terminal_safe(bound)}")
    if found.foreign is not None:
        click.echo(f"But {output.terminal_safe(str(found.foreign))} answers. Nothing is done to it")
        click.echo("until DOCKER_HOST leads to the bound one again, or you bind this one:")
        click.echo(f"  eulermaker engine rebind {output.terminal_safe(found.foreign.engine_id)}")


@engine.command("rebind")
@click.argument("engine_id")
@client_command
async def rebind(client: ApiClient, *, engine_id: str, as_json: bool) -> None:
    """Bind the foreign engine ENGINE_ID, for good: for a moved or restored installation.

    Containers that it does not have are then recorded as disappeared, and builds under way are
    tried again. What the old engine still runs goes on there, and nobody looks after it.
    """
    answer = await client.command("/v1/engine/rebind", {"engine_id": engine_id})
    output.show_accepted(answer, f"Bound to engine {engine_id}.", as_json=as_json)
