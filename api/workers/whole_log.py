"""A container's log to its end, which is the container's end and not the engine's."""

from collections.abc import AsyncIterator

from domain.errors import EngineOutcomeUnknown
from domain.ports import ContainerEngine, LogFrame

LIVE = frozenset({"running", "paused", "restarting"})


async def whole_log(engine: ContainerEngine, name: str) -> AsyncIterator[LogFrame]:
    """Raises EngineOutcomeUnknown where the stream ended first: follow it again."""
    async for frame in engine.logs(name, follow=True):
        yield frame
    container = await engine.inspect(name)
    if container is not None and container.status in LIVE:
        raise EngineOutcomeUnknown(f"The log of {name} ended before {name} did")
