"""Whether an image can be had, found out before a command is accepted, at no cost to fast clients.

Answers are kept for seconds, and one question about an image is asked once however many wait.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import msgspec

from domain.errors import EngineError
from domain.ports import EngineImage

FOUND_SECONDS = 10.0
MISSING_SECONDS = 3.0
ASKING_SECONDS = 8.0
REMEMBERED = 1_000


class Engine(Protocol):
    """Raises EngineError."""

    async def find_image(self, reference: str) -> EngineImage | None: ...

    async def why_unobtainable(self, reference: str) -> str | None:
        """A sentence where it cannot be pulled; None where it can, or nobody knows."""
        ...


class Known(msgspec.Struct, frozen=True):
    why_missing: str | None
    until: float


class EngineImages:
    """Implements `api.http.parts.ImageCheck`."""

    def __init__(self, engine: Engine, now: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._now = now
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._asking: dict[str, asyncio.Task[str | None]] = {}

    async def why_missing(self, reference: str) -> str | None:
        known = self._known.get(reference)
        if known is not None and known.until > self._now():
            return known.why_missing
        asking = self._asking.get(reference)
        if asking is None:
            asking = asyncio.create_task(self._find_out(reference))
            self._asking[reference] = asking
        return await asyncio.shield(asking)  # who goes away leaves the answer to the others

    async def _find_out(self, reference: str) -> str | None:
        try:
            async with asyncio.timeout(ASKING_SECONDS):
                why = await self._ask(reference)
        except (EngineError, TimeoutError):
            why = None  # an engine that is away: the command is accepted and waits for it
        finally:
            del self._asking[reference]
        self._remember(reference, why)
        return why

    async def _ask(self, reference: str) -> str | None:
        if await self._engine.find_image(reference) is not None:
            return None
        return await self._engine.why_unobtainable(reference)

    def _remember(self, reference: str, why: str | None) -> None:
        seconds = FOUND_SECONDS if why is None else MISSING_SECONDS
        self._known[reference] = Known(why, self._now() + seconds)
        self._known.move_to_end(reference)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
