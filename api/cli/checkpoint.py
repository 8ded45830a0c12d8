"""`eulermaker checkpoint`: where the log ends, to be kept where the log is not."""

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from api.cli import output
from api.cli.checkpoint_file import Checkpoint
from api.cli.client import ApiClient
from api.cli.session import client_command


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@client_command
async def checkpoint(client: ApiClient, *, file: Path | None, as_json: bool) -> None:
    """Print the log's position and chain hash, or write them to FILE.

    Keep it elsewhere: `eulermaker verify --checkpoint FILE` then shows a log that was cut short or
    rewritten with all its hashes.
    """
    found = await client.read("/v1/checkpoint", Checkpoint)
    found = msgspec.structs.replace(found, taken_at=datetime.now(UTC))
    if file is not None:
        file.write_bytes(msgspec.json.encode(found) + b"\n")
    if as_json or file is None:
        output.show_struct(found)
    else:
        click.echo(f"Position {found.position} is written to {file}. Keep it elsewhere.")
