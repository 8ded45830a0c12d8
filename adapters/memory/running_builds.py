"""Which image builds run, in memory, for tests."""

from collections.abc import Sequence

from domain.ports import RunningBuild


class InMemoryRunningBuilds:
    """Implements `domain.ports.RunningBuilds`."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str, int], RunningBuild] = {}

    async def add(self, running: RunningBuild) -> None:
        self._running.setdefault(_key(running), running)

    async def remove(self, running: RunningBuild) -> None:
        self._running.pop(_key(running), None)

    async def all(self) -> Sequence[RunningBuild]:
        return list(self._running.values())


def _key(running: RunningBuild) -> tuple[str, str, int]:
    return running.tenant, running.build_id, running.attempt
