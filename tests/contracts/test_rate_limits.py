"""What every RateLimits does, within a process and for all processes by Redis."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from adapters.limits import RateLimits
from adapters.memory.rate_limits import InMemoryRateLimits
from adapters.redis.connection import RedisConnection
from adapters.redis.rate_limits import RedisRateLimits
from tests.support.redis import RedisServer, running_redis

Body = Callable[[RateLimits], Awaitable[None]]
Run = Callable[[Body], None]


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Run:
    async def main(body: Body) -> None:
        async with asyncio.timeout(60):
            if request.param == "memory":
                await body(InMemoryRateLimits())
                return
            redis = RedisConnection(request.getfixturevalue("redis_server").url)
            await body(RedisRateLimits(redis))
            await redis.close()

    return lambda body: asyncio.run(main(body))


def test_as_many_as_allowed_may_be_taken_at_once_and_no_more(run: Run) -> None:
    async def body(limits: RateLimits) -> None:
        waits = [await limits.take("key", limit=5, per_seconds=100.0) for _ in range(8)]
        assert waits[:5] == [0.0] * 5
        assert all(0.0 < wait <= 20.0 for wait in waits[5:])

    run(body)


def test_a_refused_attempt_takes_nothing(run: Run) -> None:
    async def body(limits: RateLimits) -> None:
        await limits.take("key", limit=1, per_seconds=100.0)
        waits = [await limits.take("key", limit=1, per_seconds=100.0) for _ in range(20)]
        assert waits == sorted(waits, reverse=True)
        assert waits[-1] <= 100.0

    run(body)


def test_after_the_announced_wait_there_is_one_again(run: Run) -> None:
    async def body(limits: RateLimits) -> None:
        for _ in range(2):
            assert await limits.take("key", limit=2, per_seconds=0.2) == 0.0
        wait = await limits.take("key", limit=2, per_seconds=0.2)
        assert 0.0 < wait <= 0.1
        await asyncio.sleep(wait)
        assert await limits.take("key", limit=2, per_seconds=0.2) == 0.0

    run(body)


def test_keys_do_not_share(run: Run) -> None:
    async def body(limits: RateLimits) -> None:
        assert await limits.take("a", limit=1, per_seconds=100.0) == 0.0
        assert await limits.take("b", limit=1, per_seconds=100.0) == 0.0

    run(body)


def test_many_at_the_same_time_do_not_get_more(run: Run) -> None:
    async def body(limits: RateLimits) -> None:
        takes = (limits.take("key", limit=10, per_seconds=1000.0) for _ in range(30))
        waits = await asyncio.gather(*takes)
        assert waits.count(0.0) == 10

    run(body)


def test_processes_share_one_limit(redis_server: RedisServer) -> None:
    async def body() -> None:
        connections = [RedisConnection(redis_server.url) for _ in range(2)]
        both = [RedisRateLimits(redis) for redis in connections]
        waits = [await each.take("key", limit=3, per_seconds=1000.0) for each in both * 2]
        assert waits.count(0.0) == 3
        for redis in connections:
            await redis.close()

    asyncio.run(body())


def test_processes_that_take_blocks_never_let_more_through(redis_server: RedisServer) -> None:
    async def body() -> None:
        connections = [RedisConnection(redis_server.url) for _ in range(2)]
        both = [RedisRateLimits(redis) for redis in connections]
        waits = [await each.take("key", limit=100, per_seconds=1000.0) for each in both * 80]
        assert waits.count(0.0) == 100
        for redis in connections:
            await redis.close()

    asyncio.run(body())


def test_a_block_is_not_kept_beyond_its_period(redis_server: RedisServer) -> None:
    async def body() -> None:
        redis = RedisConnection(redis_server.url)
        now = 0.0
        slow, quick = RedisRateLimits(redis, lambda: now), RedisRateLimits(redis)
        assert await slow.take("key", limit=100, per_seconds=1000.0) == 0.0
        waits = [await quick.take("key", limit=100, per_seconds=1000.0) for _ in range(96)]
        assert waits.count(0.0) == 95
        now = 1001.0
        assert await slow.take("key", limit=100, per_seconds=1000.0) > 0.0
        await redis.close()

    asyncio.run(body())
