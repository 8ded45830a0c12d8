"""`eulermaker backup`: everything that cannot be derived again, as of one moment, while it runs."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click

from adapters.postgres.table_copies import copy_out, snapshot
from api.cli import backup_files as files
from api.cli import output
from api.cli.local_database import load_settings, owner_database
from api.cli.options import data_dir_option, json_option
from api.cli.progress import progress
from api.settings import Settings


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@data_dir_option
@json_option
def backup(*, directory: Path, data_dir: Path, as_json: bool) -> None:
    """Copy log, receipts, secrets, work in progress, logs and blobs into DIRECTORY.

    The service may go on meanwhile. A DIRECTORY with a manifest is complete; it opens the stored
    secrets, so keep it as safe as the service. Read models are not in it: they are rebuilt.
    """
    if directory.exists() and any(directory.iterdir()):
        raise click.UsageError(f"{directory} is not empty. Name a new directory.")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = load_settings(data_dir)
    with owner_database(settings) as url, progress("Backup", shown=not as_json) as advance:
        manifest = make_backup(url, settings, directory, advance)
    if as_json:
        output.show_struct(manifest)
        return
    head = manifest.database.head
    click.echo(f"Backup {manifest.backup_id} is complete in {directory}.")
    click.echo(f"The log in it ends at position {head.position}, chain {head.chain.hex()}.")


def make_backup(
    url: str, settings: Settings, directory: Path, advance: Callable[[int, int], None]
) -> files.Manifest:
    """Rows first: files that they refer to are there already and stay."""
    tables = directory / files.TABLES
    with snapshot(url) as connection:  # in which no key of a stored secret can go
        tables.mkdir(mode=0o700)
        key_sha256 = files.copy_key(settings.key_file, directory / files.KEY_FILE)
        database = copy_out(connection, tables, lambda _table, done: advance(done, 0))
    trees = tuple(
        files.copy_tree(name, source, directory / name, advance)
        for name, source in files.trees_of(settings).items()
    )
    manifest = files.Manifest(
        format=files.FORMAT,
        backup_id=str(uuid.uuid4()),
        made_at=datetime.now(UTC),
        release=version("eulermaker"),
        database=database,
        trees=trees,
        key_sha256=key_sha256,
    )
    files.write_manifest(directory, manifest)
    return manifest
