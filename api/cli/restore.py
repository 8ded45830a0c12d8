"""`eulermaker restore`: a backup into an empty database; the log then says where it forked."""

import asyncio
import shlex
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from adapters.embedded import EmbeddedServerError, own_data_directory
from adapters.postgres.errors import MigrationError
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.table_copies import NotEmpty, check_empty, copy_in
from adapters.postgres.verify import verify_log
from api.cli import backup_files as files
from api.cli import output
from api.cli.local_database import load_settings, owner_database
from api.cli.options import data_dir_option, json_option
from api.cli.progress import progress
from api.settings import Settings
from domain.application.command_handler import CommandHandler
from domain.event import CommandContext, Receipt
from domain.log.commands import RecordLogRestored

ACTOR = "system:restore"


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@data_dir_option
@json_option
def restore(*, directory: Path, data_dir: Path, as_json: bool) -> None:
    """Put the backup in DIRECTORY into an empty database and data directory.

    Everything is checked first, and the hash chain afterwards. The log then gets one more event,
    LogRestored: what was recorded elsewhere after the backup is another branch.
    """
    manifest = files.read_manifest(directory)
    try:
        with own_data_directory(data_dir):
            settings = load_settings(data_dir)
            with (
                owner_database(settings, create=True) as url,
                progress("Restore", shown=not as_json) as advance,
            ):
                receipt = _restore(url, settings, directory, manifest, advance)
    except NotEmpty as error:
        advice = "Name a new --data-dir, or an empty database with DATABASE_URL."
        raise click.ClickException(f"{error} {advice}") from error
    except (EmbeddedServerError, MigrationError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        output.show_struct(receipt)
        return
    head = manifest.database.head
    click.echo(f"Restored: {head.position} events, the chain is whole.")
    click.echo(f"Position {receipt.last_position} says that this log forked at {head.position}.")
    click.echo("Keep the original stopped: both would look after the same containers.")
    click.echo("Start the service here, which rebuilds the read models:")
    click.echo(f"  eulermaker up --data-dir {shlex.quote(str(data_dir))}")
    click.echo("If another engine answers than before, nothing is done to it until you decide:")
    click.echo("  eulermaker engine show")


def _restore(
    url: str,
    settings: Settings,
    directory: Path,
    manifest: files.Manifest,
    advance: Callable[[int, int], None],
) -> Receipt:
    check_empty(url)
    files.check_tables(directory, manifest)
    key = settings.key_file
    if manifest.key_sha256 and key.is_file() and files.sha256_of(key) != manifest.key_sha256:
        raise click.ClickException(
            f"{key} is another installation's key. Restore into a new data directory."
        )
    for name, target in files.trees_of(settings).items():
        expected = next(tree for tree in manifest.trees if tree.name == name)
        files.check_count(expected, files.copy_tree(name, directory / name, target, advance))
    if manifest.key_sha256:
        files.copy_key(directory / files.KEY_FILE, key)
    tables = directory / files.TABLES
    copy_in(url, manifest.database, tables, lambda _table, done: advance(done, 0))
    return asyncio.run(_check_and_mark(url, manifest))


async def _check_and_mark(url: str, manifest: files.Manifest) -> Receipt:
    report = await verify_log(url, checkpoint=manifest.database.head)
    if report.damage is not None:
        raise click.ClickException(
            f"The restored log is bad at position {report.damage.position}:"
            f" {report.damage.explanation} Drop this database and take another backup."
        )
    store = PostgresEventStore(url)
    await store.start()
    try:
        return await CommandHandler(store).handle(_fork(manifest), _context())
    finally:
        await store.stop()


def _fork(manifest: files.Manifest) -> RecordLogRestored:
    head = manifest.database.head
    return RecordLogRestored(
        restore_id=str(uuid.uuid4()),
        backup_id=manifest.backup_id,
        position=head.position,
        chain=head.chain.hex(),
        backed_up_at=manifest.made_at,
        restored_at=datetime.now(UTC),
    )


def _context() -> CommandContext:
    return CommandContext(
        command_id=str(uuid.uuid4()),
        correlation_id=str(uuid.uuid4()),
        actor=ACTOR,
        occurred_at=datetime.now(UTC),
    )
