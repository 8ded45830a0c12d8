"""Tails hold the newest chunks only, and never hide that others are missing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from adapters.memory.log_store import InMemoryLogStore
from adapters.memory.log_wake_ups import InMemoryLogWakeUps
from adapters.redis.connection import RedisConnection
from adapters.redis.live_tails import CHUNK_BYTES, CHUNKS, LiveTails
from adapters.redis.tailed_logs import TailedLogs
from domain.ports import LogChunk
from tests.support.redis import RedisServer

Run = Callable[[Callable[[LiveTails], Awaitable[None]]], None]


@pytest.fixture
def run(redis_server: RedisServer) -> Run:
    async def main(body: Callable[[LiveTails], Awaitable[None]]) -> None:
        async with asyncio.timeout(60):
            redis = RedisConnection(redis_server.url)
            await body(LiveTails(redis))
            await redis.close()

    return lambda body: asyncio.run(main(body))


def a_log(count: int, *, size: int = 10) -> Sequence[LogChunk]:
    return [
        LogChunk(sequence=each, stream="stderr", offset=each * size, data=b"x" * size)
        for each in range(count)
    ]


async def read(tails: LiveTails, offset: int, limit: int = 1_000_000) -> list[LogChunk]:
    return list(await tails.read("t", "log", from_offset=offset, limit_bytes=limit))


def test_what_was_pushed_is_read_from_any_offset(run: Run) -> None:
    chunks = a_log(5)

    async def body(tails: LiveTails) -> None:
        await tails.push("t", "log", chunks)
        assert await read(tails, 0) == chunks
        assert await read(tails, 20) == chunks[2:]
        assert await read(tails, 25) == chunks[2:]
        assert await read(tails, 50) == []
        assert await read(tails, 0, 25) == chunks[:2]

    run(body)


def test_pushing_again_changes_nothing(run: Run) -> None:
    chunks = a_log(5)

    async def body(tails: LiveTails) -> None:
        await tails.push("t", "log", chunks[:3])
        await tails.push("t", "log", chunks)
        assert await read(tails, 0) == chunks

    run(body)


def test_a_reader_who_is_too_far_behind_gets_nothing(run: Run) -> None:
    async def body(tails: LiveTails) -> None:
        for chunk in a_log(CHUNKS * 10, size=100):
            await tails.push("t", "log", [chunk])
        assert await read(tails, 0) == []
        assert len(await read(tails, 100 * (CHUNKS * 10 - 5))) == 5

    run(body)


def test_reading_stops_before_a_gap(run: Run) -> None:
    chunks = a_log(5)

    async def body(tails: LiveTails) -> None:
        await tails.push("t", "log", [*chunks[:2], *chunks[3:]])
        assert await read(tails, 0) == chunks[:2]
        assert await read(tails, 20) == []
        assert await read(tails, 30) == chunks[3:]

    run(body)


def test_a_dropped_tail_is_gone(run: Run) -> None:
    async def body(tails: LiveTails) -> None:
        await tails.push("t", "log", a_log(5))
        await tails.drop("t", "log")
        assert await read(tails, 0) == []

    run(body)


def test_logs_with_tails_read_like_the_store_alone(run: Run) -> None:
    small, large = a_log(200), a_log(3, size=CHUNK_BYTES + 1)

    async def body(tails: LiveTails) -> None:
        store = InMemoryLogStore()
        logs = TailedLogs(store, tails, InMemoryLogWakeUps())
        for subject, chunks in (("small", small), ("large", large)):
            for chunk in chunks:
                await logs.append("t", subject, [chunk])
            end = chunks[-1].offset + len(chunks[-1].data)
            for offset in range(0, end, end // 20):
                found = await logs.read("t", subject, from_offset=offset)
                assert found
                stored = await store.read("t", subject, from_offset=offset)
                assert list(found) == list(stored)[: len(found)]

    run(body)
