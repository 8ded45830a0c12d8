"""The one way to Redis: bounded calls, and a circuit that makes a dead Redis cost nothing.

Whatever is kept there can be lost: callers catch RedisAway and go on without it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

CALL_SECONDS = 0.5
REST_SECONDS = 1.0
MAX_CONNECTIONS = 32

R = TypeVar("R")
Client = Redis

_log = structlog.get_logger("redis")


class RedisAway(Exception):
    """Redis did not answer just now, or a moment ago."""


class RedisConnection:
    def __init__(self, url: str) -> None:
        self._pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]  # untyped keywords
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=CALL_SECONDS,
            socket_timeout=CALL_SECONDS,
            socket_connect_timeout=CALL_SECONDS,
            retry=Retry(NoBackoff(), 0),  # the circuit decides when to try again
        )
        self.client = Redis(connection_pool=self._pool)
        self._rest_until = 0.0
        self._away = False

    @property
    def is_away(self) -> bool:
        """Whether it failed when it was last tried."""
        return self._away

    async def call(self, work: Callable[[Client], Awaitable[R]]) -> R:
        """Raises RedisAway, at once while the circuit rests, and whatever is wrong: a Redis that
        is full, read-only or refuses a command is of no more use than none."""
        if time.monotonic() < self._rest_until:
            raise RedisAway
        try:
            async with asyncio.timeout(2 * CALL_SECONDS):
                result = await work(self.client)
        except (RedisError, OSError, TimeoutError) as error:
            self.failed(error)
            raise RedisAway from error
        self.answered()
        return result

    def subscription(self) -> PubSub:
        return self.client.pubsub()  # pyright: ignore[reportUnknownMemberType]  # untyped keywords

    def failed(self, error: BaseException) -> None:
        """Rest for a while. Logged once for each time that it goes away."""
        self._rest_until = time.monotonic() + REST_SECONDS
        if not self._away:
            self._away = True
            _log.warning("redis_away", reason=f"{type(error).__name__}: {error}".removesuffix(": "))

    def answered(self) -> None:
        self._rest_until = 0.0
        if self._away:
            self._away = False
            _log.info("redis_back")

    async def close(self) -> None:
        await self.client.aclose()
        await self._pool.disconnect()
