"""The two event stores, started and stopped around a test's body."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from adapters.memory.event_store import InMemoryEventStore
from adapters.postgres.event_store import PostgresEventStore

Store = InMemoryEventStore | PostgresEventStore
Body = Callable[[Store], Awaitable[None]]
Run = Callable[[Body], None]

DEADLINE_SECONDS = 60


@asynccontextmanager
async def started(store: Store) -> AsyncGenerator[Store]:
    await store.start()
    try:
        yield store
    finally:
        await store.stop()


def runner(make: Callable[[], Store]) -> Run:
    async def main(body: Body) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS), started(make()) as store:
            await body(store)

    return lambda body: asyncio.run(main(body))
