"""Redis is killed, frozen and started again: nobody notices more than a delay."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.memory.log_store import InMemoryLogStore
from adapters.redis.broadcast import RedisBroadcast
from adapters.redis.connection import RedisAway, RedisConnection
from adapters.redis.live_tails import LiveTails
from adapters.redis.log_wake_ups import NAP_SECONDS, RedisLogWakeUps
from adapters.redis.rate_limits import RedisRateLimits
from adapters.redis.tailed_logs import TailedLogs
from domain.ports import LogChunk
from tests.support.redis import RedisServer

DEADLINE_SECONDS = 20.0
LONG_SECONDS = 60.0


class Process:
    """What one process of the service has of Redis."""

    def __init__(self, url: str) -> None:
        self.redis = RedisConnection(url)
        self.broadcast = RedisBroadcast(self.redis)
        self.wake_ups = RedisLogWakeUps(self.broadcast)
        self.limits = RedisRateLimits(self.redis)
        self.tails = LiveTails(self.redis)


@asynccontextmanager
async def a_process(url: str) -> AsyncGenerator[Process]:
    process = Process(url)
    await process.broadcast.start()
    try:
        yield process
    finally:
        await process.broadcast.stop()
        await process.redis.close()


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(LONG_SECONDS):
            await body()

    asyncio.run(main())


async def listening(process: Process) -> None:
    assert await process.broadcast.wait_until_listening(DEADLINE_SECONDS)


def a_chunk(sequence: int) -> LogChunk:
    return LogChunk(sequence=sequence, stream="stdout", offset=sequence * 4, data=b"line")


def test_a_killed_redis_ends_long_waits_and_new_ones_are_naps(redis_server: RedisServer) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as process:
            await listening(process)
            waiting = asyncio.create_task(
                process.wake_ups.wait("t", "log", timeout_seconds=LONG_SECONDS)
            )
            await asyncio.sleep(0)
            await asyncio.to_thread(redis_server.kill)
            await asyncio.wait_for(waiting, DEADLINE_SECONDS)
            begin = time.monotonic()
            await process.wake_ups.wait("t", "log", timeout_seconds=LONG_SECONDS)
            assert time.monotonic() - begin < 4 * NAP_SECONDS

    run(body)


def test_wake_ups_cross_processes_again_after_a_restart(redis_server: RedisServer) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as writer, a_process(redis_server.url) as reader:
            for _ in range(2):
                await listening(reader)
                await asyncio.to_thread(redis_server.kill)
                await writer.wake_ups.notify("t", "log")
                await asyncio.to_thread(redis_server.start)
            await listening(reader)
            waiting = asyncio.create_task(
                reader.wake_ups.wait("t", "log", timeout_seconds=LONG_SECONDS)
            )
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not waiting.done():  # the writer's circuit may still rest
                    await writer.wake_ups.notify("t", "log")
                    await asyncio.wait([waiting], timeout=0.05)

    run(body)


def test_a_dead_redis_costs_nothing(redis_server: RedisServer) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as process:
            await asyncio.to_thread(redis_server.kill)
            await process.wake_ups.notify("t", "log")
            begin = time.monotonic()
            for sequence in range(200):
                await process.wake_ups.notify("t", "log")
                await process.tails.push("t", "log", [a_chunk(sequence)])
                await process.limits.take("key", limit=1_000, per_seconds=1.0)
            assert time.monotonic() - begin < 0.5

    run(body)


def test_a_frozen_redis_is_given_up_soon_and_not_asked_for_a_while(
    redis_server: RedisServer,
) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as process:
            await listening(process)
            redis_server.freeze()
            begin = time.monotonic()
            with pytest.raises(RedisAway):
                await process.redis.call(lambda client: client.exists("key"))
            assert process.redis.is_away
            for _ in range(20):
                await process.wake_ups.notify("t", "log")
            assert time.monotonic() - begin < 2.0  # one or two timeouts, not one a call
            waiting = asyncio.create_task(
                process.wake_ups.wait("t", "log", timeout_seconds=LONG_SECONDS)
            )
            await asyncio.wait_for(waiting, DEADLINE_SECONDS)
            redis_server.thaw()
            await listening(process)

    run(body)


def test_limits_hold_within_a_process_while_redis_is_away(redis_server: RedisServer) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as process:
            await asyncio.to_thread(redis_server.kill)
            waits = [await process.limits.take("key", limit=3, per_seconds=100.0) for _ in range(5)]
            assert waits.count(0.0) == 3

    run(body)


@pytest.mark.parametrize(
    "spoil",
    [
        ("REPLICAOF", "127.0.0.1", "1"),  # read-only, as after a failover
        ("CONFIG", "SET", "maxmemory", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("ACL", "SETUSER", "default", "-@scripting"),
    ],
)
def test_limits_hold_within_a_process_while_redis_refuses_to_write(
    redis_server: RedisServer, spoil: tuple[str, ...]
) -> None:
    async def body() -> None:
        async with a_process(redis_server.url) as process:
            await process.redis.client.execute_command(*spoil)  # type: ignore[no-untyped-call]  # pyright: ignore[reportUnknownMemberType]
            waits = [await process.limits.take("key", limit=3, per_seconds=100.0) for _ in range(5)]
            assert waits.count(0.0) == 3
            assert process.redis.is_away

    run(body)


def test_a_log_is_followed_without_a_loss_while_redis_comes_and_goes(
    redis_server: RedisServer,
) -> None:
    chunks = [a_chunk(sequence) for sequence in range(400)]
    store = InMemoryLogStore()

    async def write(process: Process) -> None:
        logs = TailedLogs(store, process.tails, process.wake_ups)
        for chunk in chunks:
            await logs.append("t", "log", [chunk])
            if chunk.sequence % 200 == 50:
                await asyncio.to_thread(redis_server.kill)
            if chunk.sequence % 200 == 100:
                await asyncio.to_thread(redis_server.start)
                await listening(process)
        await logs.close("t", "log")

    async def follow(process: Process) -> list[LogChunk]:
        logs = TailedLogs(store, process.tails, process.wake_ups)
        found: list[LogChunk] = []
        while True:
            end = await logs.end("t", "log")
            offset = len(found) * 4
            found.extend(await logs.read("t", "log", from_offset=offset))
            if end.closed and len(found) * 4 == end.next_offset:
                return found
            await process.wake_ups.wait("t", "log", timeout_seconds=1.0)

    async def body() -> None:
        async with a_process(redis_server.url) as writer, a_process(redis_server.url) as reader:
            following = asyncio.create_task(follow(reader))
            await write(writer)
            assert await following == chunks

    run(body)
