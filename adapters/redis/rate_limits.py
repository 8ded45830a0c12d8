"""Rate limits shared by all processes; each on its own while Redis is away."""

from importlib.resources import files

from adapters.memory.rate_limits import InMemoryRateLimits
from adapters.redis.connection import RedisAway, RedisConnection

PREFIX = "eulermaker:rate:"
MICROSECONDS = 1_000_000
SCRIPT = files("adapters.redis").joinpath("take.lua").read_text()


class RedisRateLimits:
    """Implements `adapters.limits.RateLimits`."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._script = redis.client.register_script(SCRIPT)
        self._here = InMemoryRateLimits()

    async def take(self, key: str, *, limit: int, per_seconds: float) -> float:
        period = round(per_seconds * MICROSECONDS)
        keys, arguments = [f"{PREFIX}{key}"], [period // limit, period]
        try:
            wait = await self._redis.call(lambda client: self._script(keys, arguments, client))
            return int(wait) / MICROSECONDS
        except RedisAway:
            return await self._here.take(key, limit=limit, per_seconds=per_seconds)
