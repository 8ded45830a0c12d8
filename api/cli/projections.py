"""`eulermaker projections …`: read models, rebuilt beside the old ones, compared, switched to."""

import sys

import click
import msgspec

from api.cli import output
from api.cli.client import ApiClient
from api.cli.session import client_command
from api.cli.unread import until_unread
from projections.queries import ProjectionStatus

DIFFERENT = 1


class _List(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[ProjectionStatus, ...]


class _Version(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: int


class _Comparison(msgspec.Struct, frozen=True, kw_only=True):
    equal: bool
    active_version: int
    version: int
    rows: int
    differences: tuple[str, ...] = ()


@click.group()
def projections() -> None:
    """Watch, rebuild, compare and switch read models."""


@projections.command("list")
@client_command
async def list_projections(client: ApiClient, *, as_json: bool) -> None:
    """List read models: how far each is, and why it stands still."""
    found = (await client.read("/v1/projections", _List)).items
    if as_json:
        output.show_rows(found)
        return
    output.show_table(
        ("PROJECTION", "VERSION", "STATE", "POSITION", "LAG", "DEAD LETTERS", "ERROR"),
        (
            (row.name, row.version, row.state, row.position, row.lag, row.dead_letters, row.error)
            for row in found
        ),
    )


@projections.command("rebuild")
@click.argument("name")
@client_command
async def rebuild(client: ApiClient, *, name: str, as_json: bool) -> None:
    """Begin a new version of NAME beside the active one. Earlier ones not switched to go."""
    answer = await client.command(f"/v1/projections/{name}/rebuild")
    if as_json:
        output.show_json(answer)
        return
    made = output.decode(answer, _Version)
    click.echo(f"{name} version {made.version} is being built. When it is ready:")
    click.echo(f"  eulermaker projections compare {name} {made.version}")
    click.echo(f"  eulermaker projections switch {name} {made.version}")


@projections.command("compare")
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@client_command
async def compare(client: ApiClient, *, name: str, version: int, as_json: bool) -> int:
    """Say whether a rebuilt VERSION says the same as the active one; 1 if not."""
    answer = await client.command(f"/v1/projections/{name}/compare", {"version": version})
    found = output.decode(answer, _Comparison)
    with until_unread():
        if as_json:
            output.show_json(answer)
        else:
            _show_comparison(found, f"{name} {version}")
    return 0 if found.equal else DIFFERENT


def _show_comparison(found: _Comparison, compared: str) -> None:
    if found.equal:
        click.echo(f"{compared} equals {found.active_version}: {found.rows} rows.")
        return
    click.echo(f"{compared} differs from {found.active_version}:")
    for difference in found.differences:
        click.echo(f"  {output.terminal_safe(difference)}")


@projections.command("switch")
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@client_command
async def switch(client: ApiClient, *, name: str, version: int, as_json: bool) -> None:
    """Let readers see VERSION from now on; the old one is kept."""
    answer = await client.command(f"/v1/projections/{name}/switch", {"version": version})
    if as_json:
        output.show_json(answer)
        sys.stdout.flush()
    else:
        click.echo(f"Readers see {name} version {version}.")
