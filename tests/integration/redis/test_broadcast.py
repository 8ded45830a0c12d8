"""Small messages between processes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adapters.redis.broadcast import RedisBroadcast
from adapters.redis.connection import RedisConnection
from tests.support.redis import RedisServer

DEADLINE_SECONDS = 20.0


class Process:
    def __init__(self, url: str) -> None:
        self.redis = RedisConnection(url)
        self.broadcast = RedisBroadcast(self.redis)
        self.revoked: asyncio.Queue[bytes] = asyncio.Queue()
        self.gaps: asyncio.Queue[None] = asyncio.Queue()
        self.broadcast.on(
            "revoked", self.revoked.put_nowait, on_gap=lambda: self.gaps.put_nowait(None)
        )
        self.broadcast.on("other", lambda _: None)


@asynccontextmanager
async def a_process(url: str) -> AsyncGenerator[Process]:
    process = Process(url)
    await process.broadcast.start()
    try:
        assert await process.broadcast.wait_until_listening(DEADLINE_SECONDS)
        yield process
    finally:
        await process.broadcast.stop()
        await process.redis.close()


def test_a_message_reaches_the_other_processes_but_not_its_own(redis_server: RedisServer) -> None:
    async def body() -> None:
        url = redis_server.url
        async with a_process(url) as one, a_process(url) as two, a_process(url) as three:
            await one.broadcast.publish("other", b"nothing")
            await one.broadcast.publish("revoked", b"key-1")
            await two.broadcast.publish("revoked", b"key-2")
            for process, messages in (
                (one, {b"key-2"}),
                (two, {b"key-1"}),
                (three, {b"key-1", b"key-2"}),
            ):
                async with asyncio.timeout(DEADLINE_SECONDS):
                    assert {await process.revoked.get() for _ in messages} == messages
                assert process.revoked.empty()

    asyncio.run(body())


def test_consumers_are_told_of_the_gap_that_a_restart_makes(redis_server: RedisServer) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as process:
            await process.gaps.get()  # at the start: what was before is unknown
            await asyncio.to_thread(redis_server.kill)
            async with asyncio.timeout(DEADLINE_SECONDS):
                await process.gaps.get()
                await asyncio.to_thread(redis_server.start)
                await process.gaps.get()
            assert process.broadcast.is_listening

    asyncio.run(body())


def test_stopping_is_safe_before_starting_and_twice(redis_server: RedisServer) -> None:
    async def body() -> None:
        process = Process(redis_server.url)
        await process.broadcast.stop()
        await process.broadcast.start()
        await process.broadcast.stop()
        await process.broadcast.stop()
        await process.redis.close()

    asyncio.run(body())
