"""Blobs that no event mentions are deleted when they are old, and no other one ever is."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.memory.blob_references import InMemoryBlobReferences
from adapters.memory.blob_store import InMemoryBlobStore
from adapters.memory.event_store import InMemoryEventStore
from adapters.storage.digests import digest_of
from adapters.system import SystemClock, TimeOrderedIds
from domain.application import collect_blobs
from domain.application.collect_blobs import BlobCollector, Collected
from domain.application.command_handler import CommandHandler
from domain.builds.commands import CancelBuild, SubmitBuild
from domain.builds.spec import BuildSpec, ImageSource, SourceFile
from domain.errors import BlobsOfAnother
from domain.event import DEFAULT_TENANT, Command, CommandContext, Event, RecordedEvent
from domain.ports import BlobStat
from domain.storage.events import BlobsCollected

DAY_SECONDS = 86_400.0
UNUSED_FOR = timedelta(seconds=DAY_SECONDS)

Pause = Callable[[], Awaitable[None]]


async def _no_pause() -> None:
    """Nobody does anything meanwhile."""


class PausingLog(InMemoryEventStore):
    pause: Pause = staticmethod(_no_pause)

    async def read_log(
        self, after: int, *, limit: int = 1_000, tenant: str | None = None
    ) -> Sequence[RecordedEvent]:
        await self.pause()
        return await super().read_log(after, limit=limit, tenant=tenant)


class PausingReferences(InMemoryBlobReferences):
    pause: Pause = staticmethod(_no_pause)

    async def mentioned(self, digests: Collection[str]) -> AbstractSet[str]:
        await self.pause()
        found = await super().mentioned(digests)
        await self.pause()
        return found


class PausingBlobs(InMemoryBlobStore):
    pause: Pause = staticmethod(_no_pause)

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

    def __init__(self, pause: Pause = _no_pause) -> None:
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


def run(body: Callable[[Storage], Awaitable[None]]) -> None:
    asyncio.run(_within_a_minute(body(Storage())))


async def _within_a_minute(body: Awaitable[None]) -> None:
    async with asyncio.timeout(60):
        await body


def test_what_is_old_and_not_mentioned_is_deleted_and_the_log_says_how_much() -> None:
    async def body(at: Storage) -> None:
        old, older, young = await at.put_old(b"1"), await at.put_old(b"22"), await at.put(b"333")
        (collected,) = await at.collector().collect()
        assert collected == Collected(tenant=DEFAULT_TENANT, count=2, size=3)
        assert [await at.is_there(digest) for digest in (old, older, young)] == [False, False, True]
        (event,) = await at.events()
        assert isinstance(event, BlobsCollected)
        assert (event.count, event.size) == (2, 3)
        assert "sha256:" not in str(event)

    run(body)


def test_what_an_event_mentions_is_kept_for_ever() -> None:
    async def body(at: Storage) -> None:
        source, casually = await at.put_old(b"source"), await at.put_old(b"casually")
        build_id = await at.submit(source)
        await at.send(CancelBuild(build_id=build_id, reason=f"I meant {casually}, sorry"))
        for _ in range(2):
            await at.collector().collect()
        assert await at.is_there(source)
        assert await at.is_there(casually)
        assert not [e for e in await at.events() if isinstance(e, BlobsCollected)]

    run(body)


def test_an_event_that_comes_while_blobs_are_listed_keeps_its_blob() -> None:
    async def body() -> None:
        late: list[str] = []

        async def pause() -> None:
            if late:
                await at.submit(late.pop())

        at = Storage(pause)
        late.append(await at.put_old(b"source"))
        await at.collector().collect()
        assert await at.is_there(digest_of(b"source"))

    asyncio.run(_within_a_minute(body()))


def test_a_dry_run_deletes_nothing_and_says_what_would_be() -> None:
    async def body(at: Storage) -> None:
        old = await at.put_old(b"22")
        (collected,) = await at.collector().collect(dry_run=True)
        assert collected == Collected(tenant=DEFAULT_TENANT, count=1, size=2)
        assert await at.is_there(old)
        assert await at.events() == []

    run(body)


def test_each_tenant_has_a_record_of_its_own() -> None:
    async def body(at: Storage) -> None:
        for tenant in ("a", "b"):
            await at.put_old(b"x", tenant)
        assert [each.tenant for each in await at.collector().collect()] == ["a", "b"]
        recorded = await at.log.read_log(0)
        assert [each.tenant for each in recorded] == ["a", "b"]

    run(body)


def test_a_run_is_bounded_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect_blobs, "MOST_AT_ONCE", 2)

    async def body(at: Storage) -> None:
        for content in (b"1", b"2", b"3"):
            await at.put_old(content)
        counts = [(await at.collector().collect())[0].count for _ in range(2)]
        assert counts == [2, 1]

    run(body)


def test_another_installations_log_deletes_nothing() -> None:
    async def body(at: Storage) -> None:
        old = await at.put(b"x")
        await at.collector("ours").collect()
        at.blobs.age(DEFAULT_TENANT, old, 2 * DAY_SECONDS)
        with pytest.raises(BlobsOfAnother):
            await at.collector("another's").collect()
        assert await at.is_there(old)

    run(body)


def test_a_log_that_is_shorter_than_what_was_read_is_read_again() -> None:
    async def body(at: Storage) -> None:
        await at.references.add((), after=0, position=1_000)
        source = await at.put_old(b"x")
        await at.submit(source)
        await at.collector().collect()
        assert await at.is_there(source)

    run(body)


# Whatever happens between any two steps of a collection.


class Action(msgspec.Struct, frozen=True):
    """touch: a submission begins, and finds it or is refused. submit: it is recorded.

    age: nobody has touched it for two days. No collection takes so long, and no submission
    whose record is still to come.
    """

    what: Literal["put", "touch", "submit", "age"]
    number: int


ACTIONS = st.builds(
    Action,
    st.sampled_from(["put", "touch", "submit", "age"]),
    st.integers(min_value=0, max_value=1),
)
BETWEEN_STEPS = st.lists(st.lists(ACTIONS, max_size=4), max_size=20)


class Meanwhile:
    """Does what was planned, step by step."""

    def __init__(self, plan: list[list[Action]]) -> None:
        self._plan = plan
        self.begun: set[int] = set()
        self.recorded: set[int] = set()
        self._touched_in_this_run: set[int] = set()
        self.at = Storage(self.go_on)

    async def begin(self) -> None:
        for number in (0, 1):
            await self.at.put_old(_content(number))

    async def collect(self) -> None:
        self._touched_in_this_run.clear()
        await self.at.collector().collect()

    async def go_on(self) -> None:
        for action in self._plan.pop(0) if self._plan else ():
            await self._do(action)

    async def _do(self, action: Action) -> None:
        number = action.number
        digest = _digest(number)
        if action.what == "put":
            await self.at.put(_content(number))
            self._touched_in_this_run.add(number)
        elif action.what == "touch":
            if await self.at.blobs.touch(DEFAULT_TENANT, digest) is not None:
                self.begun.add(number)
                self._touched_in_this_run.add(number)
        elif action.what == "submit" and number in self.begun:
            self.begun.discard(number)
            await self.at.submit(digest)
            self.recorded.add(number)
        elif action.what == "age" and await self._may_age(number):
            self.at.blobs.age(DEFAULT_TENANT, digest, 2 * DAY_SECONDS)

    async def _may_age(self, number: int) -> bool:
        busy = self.begun | self._touched_in_this_run
        return number not in busy and await self.at.is_there(_digest(number))


def _content(number: int) -> bytes:
    return f"content {number}".encode()


def _digest(number: int) -> str:
    return digest_of(_content(number))


@settings(max_examples=500)
@given(BETWEEN_STEPS)
def test_no_blob_is_lost_that_a_submission_found_or_an_event_mentions(
    plan: list[list[Action]],
) -> None:
    async def body() -> None:
        meanwhile = Meanwhile(plan)
        await meanwhile.begin()
        for _ in range(3):
            await meanwhile.collect()
            for number in meanwhile.begun | meanwhile.recorded:
                assert await meanwhile.at.is_there(_digest(number))

    asyncio.run(body())
