"""A container's log to its end, which is the container's end and not the engine's."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from domain.errors import ContainerNotFound, EngineConflict, EngineOutcomeUnknown, LogIncomplete
from domain.ports import ContainerEngine, LogFrame

LIVE = frozenset({"running", "paused", "restarting"})
SILENCE_SECONDS = 30.0
"""What an engine may take to the next byte of a log that nobody writes to any more."""
SMALL_BYTES = 4 * 1024 * 1024
"""Of a log: to read it twice costs next to nothing."""
PAUSE_SECONDS = 0.1
"""Without a byte: whoever follows a log has then got all that was written."""
TICKS = 2
"""In a pause. A process that was itself halted sees one tick at most, and then what had come."""

log = structlog.get_logger(__name__)


class WholeLog:
    """A living container may be silent for ever; of one that has ended the log is soon complete."""

    def __init__(self, engine: ContainerEngine, name: str) -> None:
        self._engine = engine
        self._name = name
        self._container_ended = False
        self._silence: asyncio.Timeout | None = None
        self._caught_up = False
        self._timer: asyncio.TimerHandle | None = None

    def container_has_ended(self) -> None:
        """From now on silence is bounded."""
        if self._container_ended:
            return
        self._container_ended = True
        if self._silence is not None:
            self._silence.reschedule(asyncio.get_running_loop().time() + SILENCE_SECONDS)

    async def frames(self) -> AsyncGenerator[LogFrame]:
        """After a stream that hangs or may have been cut, the log is read as it stands.

        Docker Engine 20.10 may end the stream of a reader who has not caught up when the container
        ends, as if that were all; and it gives no log of a container that it is about to remove.

        Raises EngineOutcomeUnknown where the stream ended first: follow it again.
        Raises LogIncomplete where the engine gives no more, though there may be more.
        """
        size, caught_up = 0, False
        for follow in (True, False):
            can_be_cut = follow and not self._container_ended
            try:
                async with aclosing(self._engine.logs(self._name, follow=follow)) as frames:
                    async for frame in self._beyond(size, frames):
                        size += len(frame.data)
                        yield frame
            except TimeoutError:
                log.warning("log hangs", container=self._name, follow=follow, size=size)
                caught_up = False
            except (ContainerNotFound, EngineConflict):  # it is gone or going: nobody reads it now
                break
            else:
                is_there, caught_up = await self._is_there_and_ended(), self._caught_up
                if not can_be_cut or (caught_up and size > SMALL_BYTES):
                    return
                if not is_there:
                    break
        if not caught_up:
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
        self._tick(TICKS)
        try:
            bound = SILENCE_SECONDS if self._container_ended else None
            async with asyncio.timeout(bound) as self._silence:
                frame = await anext(frames, None)
            if frame is not None:
                self._caught_up = False  # more may have been written at once than came with it
            return frame
        finally:
            self._silence = None
            if self._timer is not None:
                self._timer.cancel()

    def _tick(self, left: int) -> None:
        if left:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PAUSE_SECONDS / TICKS, self._tick, left - 1)
        else:
            self._caught_up = True

    async def _is_there_and_ended(self) -> bool:
        container = await self._engine.inspect(self._name)
        if container is not None and container.status in LIVE:
            raise EngineOutcomeUnknown(f"The log of {self._name} ended before {self._name} did")
        return container is not None
