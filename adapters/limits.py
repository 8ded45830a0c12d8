"""The port for rate limits, and the arithmetic that all its adapters share."""

from typing import Protocol


class RateLimits(Protocol):
    async def take(self, key: str, *, limit: int, per_seconds: float) -> float:
        """Take one of `limit` per `per_seconds`, all of which may be taken at once.

        0.0 if there was one, else after how many seconds there will be. Never raises.
        """
        ...
