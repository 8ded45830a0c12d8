"""`eulermaker audit`: who did what, when, from where, and what became of it."""

from datetime import datetime
from typing import get_args

import click

from api.cli import output
from api.cli.client import ApiClient
from api.cli.listing import list_option, read_pages
from api.cli.moments import MOMENT
from api.cli.session import client_command
from projections.audit import AuditRow, Outcome


class LabelledRow(AuditRow, frozen=True, kw_only=True):
    """actor_label: what the actor is called now."""

    actor_label: str = ""


@click.command()
@click.option("--actor", help="Like key:… or system:….")
@click.option("--target", help="A stream, like build-… or container-….")
@click.option("--command", help="A command's name, like StopContainer.")
@click.option("--outcome", type=click.Choice(get_args(Outcome)))
@click.option("--since", type=MOMENT, help="Recorded then or later.")
@click.option("--until", type=MOMENT, help="Recorded before.")
@list_option
@client_command
async def audit(
    client: ApiClient,
    *,
    actor: str | None,
    target: str | None,
    command: str | None,
    outcome: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List commands, also refused ones and failed logins, the newest first."""
    query = {
        "actor": actor,
        "target": target,
        "command": command,
        "outcome": outcome,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
    }
    rows = await read_pages(client, "/v1/audit", LabelledRow, query, limit=limit)
    if as_json:
        output.show_rows(rows)
        return
    output.show_table(
        ("RECORDED", "ACTOR", "FROM", "COMMAND", "TARGET", "OUTCOME", "DETAIL"),
        (
            (
                output.moment(row.recorded_at),
                f"{row.actor} {row.actor_label}".rstrip(),
                row.source_address,
                row.command,
                row.target,
                row.outcome,
                row.detail,
            )
            for row in rows
        ),
    )
