"""Rate limits within one process: a token bucket a key, kept as the time when it is full again."""

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 100_000


class InMemoryRateLimits:
    """Implements `adapters.limits.RateLimits`. Beyond MAX_KEYS the longest unused are forgotten."""

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._full_at: OrderedDict[str, float] = OrderedDict()

    async def take(self, key: str, *, limit: int, per_seconds: float) -> float:
        now = self._seconds()
        full_at = max(self._full_at.get(key, now), now) + per_seconds / limit
        wait = full_at - now - per_seconds
        if wait > per_seconds * 1e-9:  # rounding
            return wait
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        if len(self._full_at) > MAX_KEYS:
            self._full_at.popitem(last=False)
        return 0.0
