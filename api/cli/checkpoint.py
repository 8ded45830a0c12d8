"""`eulermaker checkpoint`: where the log ends, to be kept where the log is not."""

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from api.cli import exits, output
from api.cli.checkpoint_file import Checkpoint
from api.cli.client import ApiClient
from api.cli.session import client_command


class WouldReplaceEvidence(click.ClickException):
    """Of two checkpoints the older one may be the only one from before a forgery."""

    exit_code = exits.CANNOT_CREATE

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is there already. Name another file, or replace it with --force.")


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Also replace an older checkpoint.")
@client_command
async def checkpoint(client: ApiClient, *, file: Path | None, force: bool, as_json: bool) -> None:
    """Print the log's position and chain hash, or write them to FILE.

    Keep it elsewhere: `eulermaker verify --checkpoint FILE` then shows a log that was cut short or
    rewritten with all its hashes.
    """
    if file is not None and file.exists() and not force:
        raise WouldReplaceEvidence(file)
    found = await client.read("/v1/checkpoint", Checkpoint)
    found = msgspec.structs.replace(found, taken_at=datetime.now(UTC))
    if file is not None:
        file.write_bytes(msgspec.json.encode(found) + b"\n")
    if as_json or file is None:
        output.show_struct(found)
    else:
        click.echo(f"Position {found.position} is written to {file}. Keep it elsewhere.")
