"""When each engine was last watched, in memory, for tests."""

from datetime import datetime


class InMemoryWatches:
    """Implements `domain.ports.Watches`."""

    def __init__(self) -> None:
        self._watched: dict[str, datetime] = {}

    async def last(self, engine_id: str) -> datetime | None:
        return self._watched.get(engine_id)

    async def save(self, engine_id: str, at: datetime) -> None:
        self._watched[engine_id] = at
