"""The lock of a worker ends with its connection, and its holder knows before it asks."""

import asyncio

import pytest

from adapters.postgres.session_lock import session_lock
from domain.errors import StoreUnavailable
from tests.support.postgres import Database
from tests.support.waiting import until

DEADLINE_SECONDS = 30.0
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'eulermaker executor lock'
"""


def _terminate(database: Database) -> None:
    with database.as_owner() as connection:
        connection.execute(TERMINATE)


def test_a_lost_lock_is_known_as_lost_at_once_and_another_gets_it(database: Database) -> None:
    async def body() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            async with session_lock(database.service_url, "executor") as first:
                assert not first.lost
                await asyncio.to_thread(_terminate, database)
                await until(lambda: first.lost)
                async with session_lock(database.service_url, "executor") as second:
                    assert not second.lost
                    with pytest.raises(StoreUnavailable):
                        await first.wait(0.0)

    asyncio.run(body())
