"""Small messages from each process to all others, over one connection for all channels.

Messages may be lost. A consumer that must miss nothing reads the log's tail as well, and learns
here when there was a gap.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from secrets import token_bytes
from typing import Any, cast

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from adapters.redis.connection import CALL_SECONDS, REST_SECONDS, RedisAway, RedisConnection

PREFIX = "eulermaker:broadcast:"
ORIGIN_BYTES = 8
IDLE_SECONDS = 2.0

OnMessage = Callable[[bytes], None]
OnGap = Callable[[], None]


class RedisBroadcast:
    """Handlers run on the event loop, so they are short and never block or raise."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._origin = token_bytes(ORIGIN_BYTES)
        self._handlers: dict[bytes, OnMessage] = {}
        self._on_gap: list[OnGap] = []
        self._reader: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    def on(self, channel: str, handler: OnMessage, *, on_gap: OnGap | None = None) -> None:
        """Before start. on_gap: messages may have been lost, or will be."""
        self._handlers[f"{PREFIX}{channel}".encode()] = handler
        if on_gap is not None:
            self._on_gap.append(on_gap)

    @property
    def is_listening(self) -> bool:
        return self._listening.is_set()

    async def wait_until_listening(self, timeout_seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._listening.wait(), timeout_seconds)
        return self.is_listening

    async def start(self) -> None:
        if self._reader is None and self._handlers:
            self._reader = asyncio.create_task(self._read_for_ever(), name="redis-broadcast")

    async def stop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def publish(self, channel: str, message: bytes) -> None:
        """To the other processes; not to this one. Lost when Redis is away."""
        with suppress(RedisAway):
            await self._redis.call(
                lambda client: client.publish(  # pyright: ignore[reportUnknownMemberType]  # untyped keywords
                    f"{PREFIX}{channel}", self._origin + message
                )
            )

    async def _read_for_ever(self) -> None:
        while True:
            try:
                await self._read()
            except (RedisError, OSError, TimeoutError) as error:
                self._redis.failed(error)
            finally:
                self._lost()
            await asyncio.sleep(REST_SECONDS)

    async def _read(self) -> None:
        """Until the connection fails. An idle one is asked for a sign of life."""
        async with self._redis.subscription() as subscription:
            async with asyncio.timeout(2 * CALL_SECONDS):
                await subscription.subscribe(*self._handlers)
            asked = False
            while True:
                reply = await _next(subscription)
                if reply is None and asked:
                    raise TimeoutError
                asked = reply is None
                if reply is None:
                    await subscription.ping()  # pyright: ignore[reportUnknownMemberType]  # untyped message
                elif reply["type"] == "subscribe" and not self.is_listening:
                    self._found()
                elif reply["type"] == "message":
                    self._deliver(reply["channel"], reply["data"])

    def _found(self) -> None:
        self._listening.set()
        self._redis.answered()
        self._tell_gap()

    def _lost(self) -> None:
        if self.is_listening:
            self._listening.clear()
            self._tell_gap()

    def _tell_gap(self) -> None:
        for on_gap in self._on_gap:
            on_gap()

    def _deliver(self, channel: bytes, message: bytes) -> None:
        origin, content = message[:ORIGIN_BYTES], message[ORIGIN_BYTES:]
        if origin != self._origin:
            self._handlers[channel](content)


async def _next(subscription: PubSub) -> dict[str, Any] | None:
    """Bounded twice: the client's own timeout only covers a quiet connection."""
    async with asyncio.timeout(IDLE_SECONDS + CALL_SECONDS):
        return cast("dict[str, Any] | None", await subscription.get_message(timeout=IDLE_SECONDS))
