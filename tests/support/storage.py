"""A log and the blobs that it speaks of, with a collector for them."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta

from adapters.memory.blob_references import InMemoryBlobReferences
from adapters.memory.blob_store import InMemoryBlobStore
from adapters.memory.event_store import InMemoryEventStore
from adapters.system import SystemClock, TimeOrderedIds
from domain.application.collect_blobs import BlobCollector
from domain.application.command_handler import CommandHandler
from domain.builds.commands import SubmitBuild
from domain.builds.spec import BuildSpec, ImageSource, SourceFile
from domain.event import DEFAULT_TENANT, Command, CommandContext, Event, RecordedEvent
from domain.ports import BlobStat

DAY_SECONDS = 86_400.0
UNUSED_FOR = timedelta(seconds=DAY_SECONDS)

Pause = Callable[[], Awaitable[None]]


async def no_pause() -> None:
    """Nobody does anything meanwhile."""


class PausingLog(InMemoryEventStore):
    pause: Pause = staticmethod(no_pause)

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        await self.pause()
        return await super().read_log(after, limit=limit, tenant=tenant)


class PausingReferences(InMemoryBlobReferences):
    pause: Pause = staticmethod(no_pause)

    async def mentioned(self, digests: Collection[str]) -> AbstractSet[str]:
        await self.pause()
        found = await super().mentioned(digests)
        await self.pause()
        return found


class PausingBlobs(InMemoryBlobStore):
    pause: Pause = staticmethod(no_pause)

    async def list_old(self, tenant: str, before: datetime) -> AsyncGenerator[Sequence[str], None]:
        await self.pause()
        async for part in super().list_old(tenant, before):
            await self.pause()
            yield part

    async def remove_old(
        self, tenant: str, digests: Collection[str], before: datetime
    ) -> Sequence[BlobStat]:
        await self.pause()
        return await super().remove_old(tenant, digests, before)


class Storage:
    """A log and blobs. What `pause` does happens between any two steps of a collection."""

    def __init__(self, pause: Pause = no_pause) -> None:
        self.log = PausingLog()
        self.references = PausingReferences()
        self.blobs = PausingBlobs()
        self.log.pause = self.references.pause = self.blobs.pause = pause
        self.handler = CommandHandler(self.log)
        self._ids = TimeOrderedIds()

    def collector(self, installation: str = "ours") -> BlobCollector:
        return BlobCollector(
            store=self.log,
            blobs=self.blobs,
            references=self.references,
            handler=self.handler,
            clock=SystemClock(),
            ids=self._ids,
            installation=installation,
            unused_for=UNUSED_FOR,
        )

    async def put(self, content: bytes, tenant: str = DEFAULT_TENANT) -> str:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        return (await self.blobs.put(tenant, pieces(), limit_bytes=100)).digest

    async def put_old(self, content: bytes, tenant: str = DEFAULT_TENANT) -> str:
        digest = await self.put(content, tenant)
        self.blobs.age(tenant, digest, 2 * DAY_SECONDS)
        return digest

    async def is_there(self, digest: str) -> bool:
        return await self.blobs.stat(DEFAULT_TENANT, digest) is not None

    async def submit(self, digest: str) -> str:
        """A build of it; its id."""
        context = SourceFile(name="context.tar", digest=digest, size=1)
        spec = BuildSpec(name="web", source=ImageSource(context=context))
        build_id = self._ids.new()
        await self.send(SubmitBuild(build_id=build_id, spec=spec, base_image="base:1"))
        return build_id

    async def send(self, command: Command) -> None:
        context = CommandContext(
            command_id=self._ids.new(),
            correlation_id="tests",
            actor="key:tests",
            occurred_at=SystemClock().now(),
        )
        await self.handler.handle(command, context)

    async def events(self) -> list[Event]:
        return [recorded.event for recorded in await self.log.read_log(0)]
