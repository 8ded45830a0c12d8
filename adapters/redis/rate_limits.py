"""Rate limits shared by all processes; each on its own while Redis is away.

A process takes a block of tokens at once and spends it by itself: to ask Redis costs more than the
rest of a small request. What is not spent within the period is forgotten, so processes together
never let more through than the limit, and one that holds a block may keep that little from others.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from importlib.resources import files

from adapters.memory.rate_limits import MAX_KEYS, InMemoryRateLimits
from adapters.redis.connection import RedisAway, RedisConnection

PREFIX = "eulermaker:rate:"
MICROSECONDS = 1_000_000
BLOCKS = 20
"""To how many blocks a limit is given out; below that, tokens go one by one."""
SCRIPT = files("adapters.redis").joinpath("take.lua").read_text()


class RedisRateLimits:
    """Implements `adapters.limits.RateLimits`."""

    def __init__(
        self, redis: RedisConnection, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._redis = redis
        self._script = redis.client.register_script(SCRIPT)
        self._here = InMemoryRateLimits()
        self._tokens: OrderedDict[str, _Tokens] = OrderedDict()

    async def take(self, key: str, *, limit: int, per_seconds: float) -> float:
        tokens = self._held(key)
        if tokens.spend(self._seconds()):
            return 0.0
        async with tokens.fetching:
            now = self._seconds()
            if tokens.spend(now):
                return 0.0
            if tokens.none_before > now:
                return tokens.none_before - now
            try:
                return await self._fetch(tokens, key, limit, per_seconds)
            except RedisAway:
                return await self._here.take(key, limit=limit, per_seconds=per_seconds)

    async def _fetch(self, tokens: "_Tokens", key: str, limit: int, per_seconds: float) -> float:
        period = round(per_seconds * MICROSECONDS)
        wanted = max(1, limit // BLOCKS)
        keys, arguments = [f"{PREFIX}{key}"], [max(1, period // limit), period, wanted]
        taken = int(await self._redis.call(lambda client: self._script(keys, arguments, client)))
        now = self._seconds()
        if taken < 0:
            tokens.none_before = now - taken / MICROSECONDS
            return -taken / MICROSECONDS
        tokens.left, tokens.good_until = taken - 1, now + per_seconds
        return 0.0

    def _held(self, key: str) -> "_Tokens":
        tokens = self._tokens.get(key)
        if tokens is None:
            tokens = self._tokens[key] = _Tokens()
            if len(self._tokens) > MAX_KEYS:
                self._tokens.popitem(last=False)
        self._tokens.move_to_end(key)
        return tokens


class _Tokens:
    """What this process holds for one key."""

    def __init__(self) -> None:
        self.left = 0
        self.good_until = 0.0
        self.none_before = 0.0
        self.fetching = asyncio.Lock()

    def spend(self, now: float) -> bool:
        if not self.left or now > self.good_until:
            return False
        self.left -= 1
        return True
