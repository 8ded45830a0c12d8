"""How long an executor may act for the effects that it claimed.

The store lets others have them when their lease ends. Our own clock, read before the store was
asked, is always the earlier one; and a lost session lock ends everything at once.
"""

import asyncio
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from api.workers.loops import Wakeable
from domain.errors import LeaseExpired

USABLE = 0.9
"""Of the lease: the rest is for an answer on its way, and for clocks that do not run alike."""


class Lease:
    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._lock: Wakeable | None = None
        self._until = -math.inf
        self._calls: set[asyncio.Timeout] = set()

    @property
    def is_over(self) -> bool:
        return self._lock is None or self._lock.lost or _now() >= self._until

    def begin(self, lock: Wakeable) -> None:
        """Before anything is claimed."""
        self._lock = lock
        self.renew(_now())

    def renew(self, asked_at: float) -> None:
        """The store has extended it. asked_at: by the event loop's clock, before it was asked."""
        self._until = asked_at + self.seconds * USABLE
        for call in self._calls:
            if not call.expired():
                call.reschedule(self._until)

    def end(self) -> None:
        self._lock = None

    @asynccontextmanager
    async def call(self) -> AsyncGenerator[None]:
        """One call to the engine: not begun without a lease, and cut off at its end.

        Raises LeaseExpired.
        """
        if self.is_over:
            raise LeaseExpired("The lease ran out: the next call was not made")
        bound = asyncio.timeout_at(self._until)
        try:
            async with bound:
                self._calls.add(bound)
                yield
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise LeaseExpired("The lease ran out before the engine answered") from error
        finally:
            self._calls.discard(bound)


def _now() -> float:
    return asyncio.get_running_loop().time()
