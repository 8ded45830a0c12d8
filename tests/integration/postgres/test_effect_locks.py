"""The process manager supersedes what the executor extends: neither may wait for the other."""

import asyncio

from adapters.postgres.effects import PostgresEffectStore
from adapters.postgres.tenants import TenantPool
from domain.ports import NewEffect, Superseding
from domain.processes import effects as f
from tests.support.postgres import Database

STREAMS = 40
ROUNDS = 60
OWNER = "executor"


def _effect(number: int) -> NewEffect:
    stream = f"container-{number:03}"
    return NewEffect(
        effect_id=f"{number}:0",
        tenant="t",
        stream=stream,
        position=number + 1,
        index=0,
        correlation_id="request",
        effect=f.StartEngineContainer(container_id=stream, generation=1, intent=1),
    )


async def _supersede(store: PostgresEffectStore) -> None:
    """In the log's order, which is none of the streams'."""
    streams = [f"container-{number:03}" for number in reversed(range(STREAMS))]
    for position in range(STREAMS, STREAMS + ROUNDS):
        superseding = [Superseding(tenant="t", stream=s, position=1_000) for s in streams]
        await store.write(
            "reactions", after=position, position=position + 1, effects=[], superseding=superseding
        )


async def _extend(store: PostgresEffectStore, ids: list[str]) -> None:
    for _ in range(ROUNDS):
        await store.extend(OWNER, ids, lease_seconds=30.0)
        await store.take_over()
        await store.claim(OWNER, limit=STREAMS, lease_seconds=30.0)


def test_superseding_and_extending_at_the_same_time_never_deadlock(database: Database) -> None:
    effects = [_effect(number) for number in range(STREAMS)]

    async def body() -> None:
        async with asyncio.timeout(60), TenantPool(database.service_url, "test", size=4) as pool:
            store = PostgresEffectStore(pool)
            await store.write(
                "reactions", after=0, position=STREAMS, effects=effects, superseding=[]
            )
            await store.claim(OWNER, limit=STREAMS, lease_seconds=30.0)
            ids = [effect.effect_id for effect in effects]
            async with asyncio.TaskGroup() as group:
                group.create_task(_supersede(store))
                group.create_task(_extend(store, ids))

    asyncio.run(body())
