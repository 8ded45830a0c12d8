"""One-time passes for WebSockets, shared by all processes; kept in this one while Redis is away."""

import time

from adapters.redis.connection import RedisAway, RedisConnection

PREFIX = "eulermaker:ticket:"
MAX_KEPT_HERE = 10_000


class RedisTickets:
    """Implements `api.http.parts.Tickets`."""

    def __init__(self, redis: RedisConnection) -> None:
        self._redis = redis
        self._here: dict[str, tuple[float, str]] = {}

    async def put(self, ticket_sha256: str, key_id: str, *, seconds: int) -> None:
        name = PREFIX + ticket_sha256
        try:
            await self._redis.call(lambda client: client.set(name, key_id, ex=seconds))
        except RedisAway:
            self._forget_expired()
            if len(self._here) < MAX_KEPT_HERE:
                self._here[ticket_sha256] = (time.monotonic() + seconds, key_id)

    async def take(self, ticket_sha256: str) -> str | None:
        expires, key_id = self._here.pop(ticket_sha256, (0.0, ""))
        if expires > time.monotonic():
            return key_id
        name = PREFIX + ticket_sha256
        try:
            found = await self._redis.call(lambda client: client.getdel(name))
        except RedisAway:
            return None
        return found.decode() if isinstance(found, bytes) else found

    def _forget_expired(self) -> None:
        now = time.monotonic()
        self._here = {t: kept for t, kept in self._here.items() if kept[0] > now}
