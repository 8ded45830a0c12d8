"""Who gets which name of a container, as far as one process that serves can know."""

import asyncio
from weakref import WeakValueDictionary

from domain.application.recent import Recent

REMEMBERED = 10_000
REMEMBERED_BYTES = 2**20


class ContainerNames:
    """The read model that knows the names may lag. So it is remembered where the log has those that
    were given here, and a name is given to one request at a time."""

    def __init__(self) -> None:
        self._positions: Recent[tuple[str, str], int] = Recent(
            most=REMEMBERED, most_weight=REMEMBERED_BYTES
        )
        self._locks = WeakValueDictionary[tuple[str, str], asyncio.Lock]()

    def lock(self, tenant: str, name: str) -> asyncio.Lock:
        """Kept as long as anybody holds it or waits for it."""
        return self._locks.setdefault((tenant, name), asyncio.Lock())

    def given_at(self, tenant: str, name: str) -> int:
        """0 where it was not given here, as far as is remembered."""
        return self._positions.get((tenant, name)) or 0

    def give(self, tenant: str, name: str, position: int) -> None:
        self._positions.put((tenant, name), position, weight=len(name))
