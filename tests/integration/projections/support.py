"""What the tests of the projector and of rebuilds share."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from adapters.postgres.projection_registry import ProjectionRegistry
from domain.event import ANY_VERSION, Append
from ops.bench.event_mix import facts
from projections.catalog import READ_MODELS
from tests.support.appends import a_context
from tests.support.postgres import Database
from tests.support.read_models import DEADLINE_SECONDS

NAMES = tuple(model.name for model in READ_MODELS)
LEADERS = """
SELECT application_name, pid FROM pg_stat_activity WHERE datname = current_database()
AND application_name ~ '^eulermaker projection [a-z]+ [0-9]+$' ORDER BY application_name
"""


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(2 * DEADLINE_SECONDS):
            await body()

    asyncio.run(main())


def leaders(database: Database) -> dict[str, int]:
    """Which connection leads each version, by its backend."""
    with database.as_owner() as owner:
        found = owner.execute(LEADERS).fetchall()
    return {name.removeprefix("eulermaker projection "): backend for name, backend in found}


def appends(count: int) -> Sequence[Append]:
    return [
        Append(
            context=a_context(),
            stream=stream,
            expected_version=ANY_VERSION,
            events=(event,),
            fingerprint=bytes(32),
        )
        for stream, event in facts(count)
    ]


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the database has no event for us
        await asyncio.sleep(0.02)


async def until_at(url: str, position: int, names: Sequence[str] = NAMES) -> None:
    """Until the versions that are read are at the position."""
    registry = ProjectionRegistry(url)
    while True:
        found = {s.name: s.position for s in await registry.list_statuses() if s.active}
        if all(found.get(name, -1) >= position for name in names):
            return
        await asyncio.sleep(0.02)
