"""Deletes blobs that no event mentions and nobody has touched for long.

A blob is put or touched before the event that names it is recorded, and the log is read to its end
between listing what is old and deleting it. So a blob is lost only to a request that takes longer
than `unused_for` between its touch and its event; settings keep that far above what any may take.
"""

import re
from collections.abc import Collection, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta

import msgspec

from domain.application.command_handler import CommandHandler
from domain.errors import BlobsOfAnother
from domain.event import CommandContext
from domain.ports import BlobReferences, BlobStat, BlobStore, Clock, EventStore, Ids
from domain.storage.commands import RecordBlobsCollected

ACTOR = "system:collector"
PAGE = 500
MOST_AT_ONCE = 10_000
"""Of one tenant in one run; the next run goes on."""
DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
"""Wherever it stands in an event of whatever type: what it means is not asked."""


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """size: in bytes, of all of them."""

    tenant: str
    count: int
    size: int


class BlobCollector:
    def __init__(
        self,
        *,
        store: EventStore,
        blobs: BlobStore,
        references: BlobReferences,
        handler: CommandHandler,
        clock: Clock,
        ids: Ids,
        installation: str,
        unused_for: timedelta,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._references = references
        self._handler = handler
        self._clock = clock
        self._ids = ids
        self._installation = installation
        self._unused_for = unused_for

    async def collect(self, *, dry_run: bool = False) -> Sequence[Collected]:
        """What is gone, or would be, of each tenant. Any number may run at a time.

        Raises StoreUnavailable, BlobsOfAnother.
        """
        if not await self._blobs.belong_to(self._installation):
            raise BlobsOfAnother
        before = self._clock.now() - self._unused_for
        collected: list[Collected] = []
        for tenant in await self._blobs.tenants():
            stats = await self._collect(tenant, before, dry_run=dry_run)
            found = Collected(tenant=tenant, count=len(stats), size=sum(s.size for s in stats))
            if found.count and not dry_run:
                await self._record(found, before)
            collected.append(found)
        return collected

    async def _collect(self, tenant: str, before: datetime, *, dry_run: bool) -> list[BlobStat]:
        collected: list[BlobStat] = []
        async with aclosing(self._blobs.list_old(tenant, before)) as parts:
            async for old in parts:
                await self._read_log()
                unused = set(old) - await self._references.mentioned(old)
                if dry_run:
                    collected += await self._stat(tenant, unused)
                else:
                    collected += await self._blobs.remove_old(tenant, unused, before)
                if len(collected) >= MOST_AT_ONCE:
                    break
        return collected

    async def _read_log(self) -> None:
        position = await self._references.position()
        if position > (await self._store.head()).position:  # of a log that is no more
            await self._references.add((), after=position, position=0)
            position = 0
        while page := await self._store.read_log(position, limit=PAGE):
            digests = {found.decode() for each in page for found in DIGEST.findall(each.data)}
            last = page[-1].position
            if await self._references.add(digests, after=position, position=last):
                position = last
            else:
                position = await self._references.position()

    async def _stat(self, tenant: str, digests: Collection[str]) -> list[BlobStat]:
        found = [await self._blobs.stat(tenant, digest) for digest in digests]
        return [stat for stat in found if stat is not None]

    async def _record(self, collected: Collected, unused_since: datetime) -> None:
        """After the fact: the log never says so before it is true."""
        collection_id = self._ids.new()
        context = CommandContext(
            command_id=f"collection:{collection_id}",
            tenant=collected.tenant,
            correlation_id=collection_id,
            actor=ACTOR,
            occurred_at=self._clock.now(),
        )
        command = RecordBlobsCollected(
            collection_id=collection_id,
            count=collected.count,
            size=collected.size,
            unused_since=unused_since,
        )
        await self._handler.handle(command, context)
