"""How large the engine's machine is, asked once in a while, at no cost to fast clients."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from domain.errors import EngineError
from domain.ports import EngineSize

KNOWN_SECONDS = 60.0
UNKNOWN_SECONDS = 3.0
ASKING_SECONDS = 2.0


class Engine(Protocol):
    """Raises EngineError."""

    async def size(self) -> EngineSize: ...


class EngineMachine:
    """Implements `api.http.parts.Machine`."""

    def __init__(self, engine: Engine, now: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._now = now
        self._size: EngineSize | None = None
        self._until = float("-inf")
        self._asking = asyncio.Lock()

    async def size(self) -> EngineSize | None:
        async with self._asking:
            if self._until <= self._now():
                self._size = await self._ask()
                seconds = UNKNOWN_SECONDS if self._size is None else KNOWN_SECONDS
                self._until = self._now() + seconds
            return self._size

    async def _ask(self) -> EngineSize | None:
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                return await self._engine.size()
        except (EngineError, TimeoutError):
            return None
