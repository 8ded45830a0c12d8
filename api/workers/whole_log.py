"""A container's log to its end, which is the container's end and not the engine's."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from domain.errors import EngineOutcomeUnknown
from domain.ports import ContainerEngine, LogFrame

LIVE = frozenset({"running", "paused", "restarting"})


async def whole_log(engine: ContainerEngine, name: str) -> AsyncGenerator[LogFrame]:
    """Raises EngineOutcomeUnknown where the stream ended first: follow it again."""
    async with aclosing(engine.logs(name, follow=True)) as frames:
        async for frame in frames:
            yield frame
    container = await engine.inspect(name)
    if container is not None and container.status in LIVE:
        raise EngineOutcomeUnknown(f"The log of {name} ended before {name} did")
