"""A container's log to its end, which is the container's end and not the engine's."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from domain.errors import ContainerNotFound, EngineOutcomeUnknown, LogIncomplete
from domain.ports import ContainerEngine, LogFrame

LIVE = frozenset({"running", "paused", "restarting"})
SILENCE_SECONDS = 30.0
"""What an engine may take to the next byte of a log that nobody writes to any more."""

log = structlog.get_logger(__name__)


class WholeLog:
    """A living container may be silent for ever; of one that has ended the log is soon complete."""

    def __init__(self, engine: ContainerEngine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._container_ended = False
        self._silence: asyncio.Timeout | None = None

    def container_has_ended(self) -> None:
        """From now on silence is bounded."""
        if self._container_ended:
            return
        self._container_ended = True
        if self._silence is not None:
            self._silence.reschedule(asyncio.get_running_loop().time() + SILENCE_SECONDS)

    async def frames(self) -> AsyncGenerator[LogFrame]:
        """A stream that hangs is given up, and the log is read as it stands.

        Raises EngineOutcomeUnknown where the stream ended first: follow it again.
        Raises LogIncomplete where the engine gives no more.
        """
        size = 0
        for follow in (True, False):
            try:
                async with aclosing(self._engine.logs(self._name, follow=follow)) as frames:
                    async for frame in self._beyond(size, frames):
                        size += len(frame.data)
                        yield frame
            except TimeoutError:
                log.warning("log hangs", container=self._name, follow=follow, size=size)
            except ContainerNotFound as error:
                raise LogIncomplete(self._name) from error
            else:
                await self._check_ended()
                return
        raise LogIncomplete(self._name)

    async def _beyond(
        self, offset: int, frames: AsyncGenerator[LogFrame]
    ) -> AsyncGenerator[LogFrame]:
        while (frame := await self._next(frames)) is not None:
            skipped = min(offset, len(frame.data))
            offset -= skipped
            if data := frame.data[skipped:]:
                yield LogFrame(stream=frame.stream, data=data)

    async def _next(self, frames: AsyncGenerator[LogFrame]) -> LogFrame | None:
        try:
            bound = SILENCE_SECONDS if self._container_ended else None
            async with asyncio.timeout(bound) as self._silence:
                return await anext(frames, None)
        finally:
            self._silence = None

    async def _check_ended(self) -> None:
        container = await self._engine.inspect(self._name)
        if container is not None and container.status in LIVE:
            raise EngineOutcomeUnknown(f"The log of {self._name} ended before {self._name} did")
