"""Wake-ups for the readers of logs within one process."""

import asyncio
import math
from collections import OrderedDict
from contextlib import suppress
from weakref import WeakKeyDictionary

REMEMBERED = 10_000

Key = tuple[str, str]


class InMemoryLogWakeUps:
    """Implements `domain.ports.LogWakeUps`.

    What comes while a reader is reading is not lost: its next wait for the same log, in the same
    task, returns at once.
    """

    def __init__(self, *, longest_seconds: float = math.inf) -> None:
        """longest_seconds: of one wait, where other processes write whom nobody tells us of."""
        self._longest_seconds = longest_seconds
        self._count = 0
        self._newest: OrderedDict[Key, int] = OrderedDict()
        self._waiting: dict[Key, set[asyncio.Future[None]]] = {}
        self._seen: WeakKeyDictionary[asyncio.Task[object], tuple[Key, int]] = WeakKeyDictionary()

    async def notify(self, tenant: str, subject: str) -> None:
        self.wake(tenant, subject)

    async def wait(self, tenant: str, subject: str, *, timeout_seconds: float) -> None:
        key = (tenant, subject)
        if not self._has_news(key):
            await self._wait(key, min(timeout_seconds, self._longest_seconds))
        task = asyncio.current_task()
        assert task is not None
        self._seen[task] = (key, self._count)

    def wake(self, tenant: str, subject: str) -> None:
        key = (tenant, subject)
        self._count += 1
        self._newest[key] = self._count
        self._newest.move_to_end(key)
        if len(self._newest) > REMEMBERED:
            self._newest.popitem(last=False)
        self._release(self._waiting.get(key, set()))

    def wake_all(self) -> None:
        for waiting in self._waiting.values():
            self._release(waiting)

    def _has_news(self, key: Key) -> bool:
        task = asyncio.current_task()
        assert task is not None
        seen_key, seen = self._seen.get(task, (None, 0))
        return seen_key == key and self._newest.get(key, 0) > seen

    async def _wait(self, key: Key, timeout_seconds: float) -> None:
        wake_up = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(key, set())
        waiting.add(wake_up)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await wake_up
        finally:
            waiting.discard(wake_up)
            if not waiting and self._waiting.get(key) is waiting:
                del self._waiting[key]

    @staticmethod
    def _release(waiting: set[asyncio.Future[None]]) -> None:
        for wake_up in waiting:
            if not wake_up.done():
                wake_up.set_result(None)
