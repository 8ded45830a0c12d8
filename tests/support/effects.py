"""The effect stores, and effects to write into them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from adapters.memory.effects import InMemoryEffectStore
from adapters.postgres.effects import PostgresEffectStore
from adapters.postgres.tenants import TenantPool
from domain.ports import NewEffect, Superseding
from domain.processes import effects as f
from tests.support.postgres import Database

P = "reactions"
LEASE = 30.0

Store = InMemoryEffectStore | PostgresEffectStore
Body = Callable[[Store], Awaitable[None]]
Run = Callable[[Body], None]


def runner(database: Database | None) -> Run:
    async def in_memory(body: Body) -> None:
        await body(InMemoryEffectStore())

    async def on_postgres(body: Body, url: str) -> None:
        async with asyncio.timeout(60), TenantPool(url, "effects", size=4) as pool:
            await body(PostgresEffectStore(pool))

    if database is None:
        return lambda body: asyncio.run(in_memory(body))
    return lambda body: asyncio.run(on_postgres(body, database.service_url))


def new(
    position: int,
    stream: str = "container-a",
    *,
    index: int = 0,
    delay: float = 0,
    tenant: str = "t",
) -> NewEffect:
    return NewEffect(
        effect_id=f"{position}:{index}",
        tenant=tenant,
        stream=stream,
        position=position,
        index=index,
        correlation_id=f"request-{position}",
        effect=f.StartEngineContainer(container_id=stream, generation=1, intent=position),
        delay_seconds=delay,
    )


def superseding(position: int, stream: str = "container-a", tenant: str = "t") -> Superseding:
    return Superseding(tenant=tenant, stream=stream, position=position)


async def write(store: Store, *effects: NewEffect, supersede: Sequence[Superseding] = ()) -> None:
    after = await store.position(P)
    assert await store.write(
        P, after=after, position=after + 1, effects=effects, superseding=supersede
    )


async def claim(store: Store, owner: str = "me", *, limit: int = 10) -> list[str]:
    claimed = await store.claim(owner, limit=limit, lease_seconds=LEASE)
    return [effect.effect_id for effect in claimed]
