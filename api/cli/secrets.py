"""`eulermaker secrets …`: the key under which secret values are stored."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.cli.options import data_dir_option, json_option

if TYPE_CHECKING:
    from adapters.postgres.key_rotation import Rotation


@click.group()
def secrets() -> None:
    """Look after the key of the stored secrets."""


@secrets.command()
@data_dir_option
@json_option
def rotate(*, data_dir: Path, as_json: bool) -> None:
    """Exchange the key that secret values are stored under; the service may go on meanwhile.

    Values are encrypted anew a part at a time, and the old key goes when nothing needs it. Killed
    on the way, the same command goes on from there. A backup opens with the key that is in it.
    """
    from adapters.storage.keys import KeyFileError
    from api.cli.local_database import load_settings, owner_database
    from api.cli.output import show_struct
    from api.cli.problems import DatabaseUnavailable
    from api.cli.progress import progress
    from domain.errors import SecretUnreadable

    settings = load_settings(data_dir)
    try:
        with owner_database(settings) as url, progress("Secrets", shown=not as_json) as advance:
            done = asyncio.run(_rotate(url, settings.key_file, advance))
    except SecretUnreadable as error:
        raise click.ClickException(
            f"{error} Or remove the container that it belongs to. Both keys stay until then;"
            " the same command goes on from here."
        ) from error
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(
            f"{error.message.rstrip('.')}. Nothing is lost: the same command goes on from here. For"
            " a moment it must have the secrets to itself, so let a backup come to its end first."
        ) from error
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        show_struct(done)
        return
    if done.resumed:
        click.echo("An earlier rotation had not come to its end: this was the rest of it.")
    click.echo(f"Key {done.key_id} is in use; {done.rewrapped} values were encrypted anew.")
    click.echo(f"Gone: {', '.join(done.retired) or 'none'}. Take a backup now.")


async def _rotate(url: str, key_file: Path, advance: Callable[[int, int], None]) -> "Rotation":
    from adapters.postgres.key_rotation import KeyRotation
    from adapters.postgres.tenants import TenantPool

    async with TenantPool(url, "secrets rotate", size=1) as pool:
        return await KeyRotation(pool, key_file).run(advance)
