"""`eulermaker keys …`"""

from datetime import datetime

import click
import msgspec

from api.cli import output
from api.cli.client import ApiClient
from api.cli.session import client_command
from domain.access.roles import Role
from projections.answer import Answer


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    key_id: str
    role: Role
    label: str
    revoked: bool
    created_at: datetime
    created_by: str


class _Created(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    token: str | None


@click.group()
def keys() -> None:
    """Create, list and revoke API keys."""


@keys.command("create")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--label", default="", help="What or whom it is for; it can be erased later.")
@client_command
async def create(client: ApiClient, *, role: str, label: str, as_json: bool) -> None:
    """Create a key; it is shown this once."""
    answer = await client.command("/v1/keys", {"role": role, "label": label})
    if as_json:
        output.show_json(answer)
        return
    created = output.decode(answer, _Created)
    if created.token is None:
        raise click.ClickException(
            f"Key {created.id} was created, but the answer that showed it was lost."
            f" Revoke it (eulermaker keys revoke {created.id}) and create another."
        )
    click.echo(created.token)
    click.echo(f"Key {created.id} ({role}). It is shown this once: keep it now.", err=True)


@keys.command("list")
@client_command
async def list_keys(client: ApiClient, *, as_json: bool) -> None:
    """List keys, the oldest first."""
    found = (await client.read("/v1/keys", Answer[tuple[KeyView, ...]])).value
    if as_json:
        output.show_rows(found)
        return
    output.show_table(
        ("KEY", "ROLE", "LABEL", "STATE", "CREATED", "BY"),
        (
            (
                key.key_id,
                key.role.value,
                key.label,
                "revoked" if key.revoked else "active",
                output.moment(key.created_at),
                key.created_by,
            )
            for key in found
        ),
    )


@keys.command("revoke")
@click.argument("key_id")
@click.option("--reason", default="", help="Recorded for ever: write nothing personal.")
@client_command
async def revoke(client: ApiClient, *, key_id: str, reason: str, as_json: bool) -> None:
    """Revoke a key; its open connections are closed."""
    answer = await client.command(f"/v1/keys/{key_id}/revoke", {"reason": reason})
    output.show_accepted(answer, f"Key {key_id} is revoked.", as_json=as_json)


@keys.command("erase-label")
@click.argument("key_id")
@client_command
async def erase_label(client: ApiClient, *, key_id: str, as_json: bool) -> None:
    """Forget what a key is called; the key goes on."""
    answer = await client.command(f"/v1/keys/{key_id}/label", method="DELETE")
    output.show_accepted(answer, f"The label of key {key_id} is erased.", as_json=as_json)
