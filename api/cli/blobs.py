"""`eulermaker blobs …`: the content-addressed files of builds."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from api.cli.options import data_dir_option, json_option

if TYPE_CHECKING:
    from api.settings import Settings
    from domain.application.collect_blobs import Collected


@click.group()
def blobs() -> None:
    """Look after uploaded files and what builds made."""


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    dry_run: bool
    count: int
    size: int
    tenants: Sequence["Collected"]


@blobs.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@data_dir_option
@json_option
def collect(*, dry_run: bool, data_dir: Path, as_json: bool) -> None:
    """Delete files that no event refers to and nobody has asked for of late.

    The running service does the same every hour. What was uploaded or asked for within
    `storage.unused_blob_seconds` (a day) stays, and so does whatever the log mentions.
    """
    from api.cli.local_database import load_settings, owner_database
    from api.cli.output import show_struct, size
    from domain.errors import DomainError

    settings = load_settings(data_dir)
    try:
        with owner_database(settings) as url:
            collected = asyncio.run(_collect(settings, url, dry_run=dry_run))
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    count, total = sum(c.count for c in collected), sum(c.size for c in collected)
    if as_json:
        show_struct(_Result(dry_run=dry_run, count=count, size=total, tenants=collected))
    elif dry_run:
        click.echo(f"{count} files ({size(total)}) would be deleted.")
    else:
        click.echo(f"{count} files ({size(total)}) are deleted.")


async def _collect(settings: "Settings", url: str, *, dry_run: bool) -> Sequence["Collected"]:
    from adapters.postgres.blob_references import PostgresBlobReferences
    from adapters.postgres.event_store import PostgresEventStore
    from adapters.postgres.tenants import TenantPool
    from adapters.postgres.watches import installation_id
    from adapters.storage.blob_store import DirectoryBlobStore
    from adapters.system import SystemClock, TimeOrderedIds
    from domain.application.collect_blobs import BlobCollector
    from domain.application.command_handler import CommandHandler

    store, files = PostgresEventStore(url), DirectoryBlobStore(settings.blob_directory)
    await store.start()
    try:
        async with TenantPool(url, "blobs collect", size=1) as pool:
            collector = BlobCollector(
                store=store,
                blobs=files,
                references=PostgresBlobReferences(pool),
                handler=CommandHandler(store),
                clock=SystemClock(),
                ids=TimeOrderedIds(),
                installation=await installation_id(pool),
                unused_for=timedelta(seconds=settings.storage.unused_blob_seconds),
            )
            return await collector.collect(dry_run=dry_run)
    finally:
        await files.stop()
        await store.stop()
