"""What every LogWakeUps does, within a process and between processes by Redis."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest

from adapters.memory.log_wake_ups import InMemoryLogWakeUps
from adapters.redis.broadcast import RedisBroadcast
from adapters.redis.connection import RedisConnection
from adapters.redis.log_wake_ups import RedisLogWakeUps
from domain.ports import LogWakeUps
from tests.support.redis import RedisServer, running_redis

LONG_SECONDS = 30.0
SOON_SECONDS = 5.0
SHORT_SECONDS = 0.05

Body = Callable[[LogWakeUps, LogWakeUps], Awaitable[None]]
Run = Callable[[Body], None]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@asynccontextmanager
async def a_process(url: str) -> AsyncGenerator[RedisLogWakeUps]:
    redis = RedisConnection(url)
    broadcast = RedisBroadcast(redis)
    wake_ups = RedisLogWakeUps(broadcast)
    await broadcast.start()
    assert await broadcast.wait_until_listening(SOON_SECONDS)
    yield wake_ups
    await broadcast.stop()
    await redis.close()


@pytest.fixture(params=["memory", "one process", "two processes"])
def run(request: pytest.FixtureRequest) -> Run:
    """The body gets the writer's side and the reader's."""

    async def main(body: Body) -> None:
        async with asyncio.timeout(60):
            if request.param == "memory":
                here = InMemoryLogWakeUps()
                await body(here, here)
                return
            url = request.getfixturevalue("redis_server").url
            async with a_process(url) as writer, a_process(url) as reader:
                await body(writer, writer if request.param == "one process" else reader)

    return lambda body: asyncio.run(main(body))


async def begun(wake_ups: LogWakeUps, subject: str = "log") -> asyncio.Task[None]:
    waiting = asyncio.create_task(wake_ups.wait("t", subject, timeout_seconds=LONG_SECONDS))
    await asyncio.sleep(0)
    return waiting


def test_a_notification_wakes_all_who_wait_for_that_log(run: Run) -> None:
    async def body(writer: LogWakeUps, reader: LogWakeUps) -> None:
        waiting = [await begun(reader) for _ in range(3)]
        await writer.notify("t", "log")
        await asyncio.wait_for(asyncio.gather(*waiting), SOON_SECONDS)

    run(body)


def test_readers_of_other_logs_sleep_on(run: Run) -> None:
    async def body(writer: LogWakeUps, reader: LogWakeUps) -> None:
        other = await begun(reader, "other")
        this = await begun(reader)
        await writer.notify("u", "other")
        await writer.notify("t", "log")
        await asyncio.wait_for(this, SOON_SECONDS)
        assert not other.done()
        other.cancel()

    run(body)


def test_a_wait_ends_at_its_timeout(run: Run) -> None:
    async def body(_: LogWakeUps, reader: LogWakeUps) -> None:
        await asyncio.wait_for(reader.wait("t", "log", timeout_seconds=SHORT_SECONDS), SOON_SECONDS)

    run(body)


def test_what_comes_while_a_reader_reads_is_not_lost(run: Run) -> None:
    async def body(writer: LogWakeUps, reader: LogWakeUps) -> None:
        other = await begun(reader)
        await reader.wait("t", "log", timeout_seconds=SHORT_SECONDS)
        await writer.notify("t", "log")
        await asyncio.wait_for(other, SOON_SECONDS)  # so it has arrived
        async with asyncio.timeout(SOON_SECONDS):
            await reader.wait("t", "log", timeout_seconds=LONG_SECONDS)

    run(body)


def test_news_wakes_a_reader_once(run: Run) -> None:
    async def body(writer: LogWakeUps, reader: LogWakeUps) -> None:
        other = await begun(reader)
        await reader.wait("t", "log", timeout_seconds=SHORT_SECONDS)
        await writer.notify("t", "log")
        await asyncio.wait_for(other, SOON_SECONDS)
        await reader.wait("t", "log", timeout_seconds=LONG_SECONDS)
        begin = asyncio.get_running_loop().time()
        await reader.wait("t", "log", timeout_seconds=SHORT_SECONDS)
        assert asyncio.get_running_loop().time() - begin >= SHORT_SECONDS * 0.9

    run(body)


def test_a_reader_that_is_stopped_while_news_comes_has_stopped() -> None:
    async def body() -> None:
        wake_ups = InMemoryLogWakeUps()
        waiting = await begun(wake_ups)
        wake_ups.wake("t", "log")
        waiting.cancel()
        await asyncio.wait({waiting}, timeout=SOON_SECONDS)
        assert waiting.cancelled()

    asyncio.run(body())
