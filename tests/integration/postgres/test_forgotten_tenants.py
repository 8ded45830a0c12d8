"""Queries that forget their tenant find what is the asking tenant's, and nothing of another's."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from adapters.postgres import event_store, identities, log_store, queries, secret_vault
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.identities import PostgresIdentities
from adapters.postgres.log_store import StoredLogs
from adapters.postgres.rows import RECEIPT
from adapters.postgres.secret_vault import EncryptedVault
from adapters.postgres.tenants import EVERY_TENANT, TenantPool
from adapters.storage.blob_store import DirectoryBlobStore
from adapters.storage.keys import new_key_ring
from domain.containers.events import ContainerRequested
from domain.containers.spec import ContainerSpec
from domain.errors import SecretMissing
from domain.ports import LogChunk
from projections.queries import Slice
from tests.support.appends import an_append
from tests.support.event_stores import started
from tests.support.postgres import Database
from tests.support.read_models import on_postgres

DEADLINE_SECONDS = 60


def forgetting(statement: Any) -> Any:
    """The same parameters, and none of them says which tenant."""
    careless = statement.replace("tenant = %s", "%s::text IS NOT NULL").replace(
        "tenant = %(tenant)s", "%(tenant)s::text IS NOT NULL"
    )
    assert careless != statement
    return careless


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await body()

    asyncio.run(main())


@asynccontextmanager
async def a_pool(database: Database) -> AsyncGenerator[TenantPool]:
    async with TenantPool(database.service_url, "test", size=1) as pool:
        yield pool


async def stated(pool: TenantPool, tenant: str | None, *before: bytes) -> str:
    """What a connection for this tenant has stated in the end."""
    async with pool.connection(tenant) as connection:
        for statement in before:
            await connection.execute(statement)
        cursor = await connection.execute("SELECT current_setting('eulermaker.tenant', true)")
        row = await cursor.fetchone()
        assert row is not None
        return str(row[0])


def test_a_stream_is_the_tenant_s_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_store, "STREAM", forgetting(event_store.STREAM))
    monkeypatch.setattr(event_store, "LOG_OF_TENANT", forgetting(event_store.LOG_OF_TENANT))
    monkeypatch.setattr(event_store, "RECEIPT", forgetting(RECEIPT))

    async def body() -> None:
        async with started(PostgresEventStore(database.service_url)) as store:
            for tenant in ("a", "b"):
                await store.append(an_append("build-1", tenant=tenant, command_id=f"of-{tenant}"))
            assert {e.tenant for e in await store.read_stream("a", "build-1")} == {"a"}
            assert {e.tenant for e in await store.read_log(0, tenant="b")} == {"b"}
            assert {e.tenant for e in await store.read_log(0)} == {"a", "b"}
            assert await store.find_receipt("a", "of-a") is not None
            assert await store.find_receipt("a", "of-b") is None

    run(body)


def test_a_list_is_the_tenant_s_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    careless = msgspec.structs.replace(
        queries.LIST_CONTAINERS, sql=forgetting(queries.LIST_CONTAINERS.sql)
    )
    monkeypatch.setattr(queries, "LIST_CONTAINERS", careless)

    async def body() -> None:
        async with on_postgres(database.service_url) as side:
            for tenant in ("a", "b"):
                spec = ContainerSpec(image="openeuler:24.03", name=f"of-{tenant}")
                requested = ContainerRequested(container_id="c1", spec=spec)
                position = await side.record("container-c1", requested, tenant=tenant)
            page = await side.queries.list_containers("a", page=Slice(min_position=position))
            assert [row.name for row in page.items] == ["of-a"]

    run(body)


def test_labels_are_the_tenant_s_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "LABELS", forgetting(identities.LABELS))

    async def body() -> None:
        async with a_pool(database) as pool:
            labels = PostgresIdentities(pool)
            await labels.put("a", "key:1", "of a")
            await labels.put("b", "key:2", "of b")
            assert await labels.labels("a", ["key:1", "key:2"]) == {"key:1": "of a"}

    run(body)


def test_secrets_are_the_tenant_s_own(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_vault, "GET", forgetting(secret_vault.GET))

    async def body() -> None:
        async with a_pool(database) as pool:
            keys = new_key_ring()
            vault = EncryptedVault(pool, lambda: keys)
            reference, _ = await vault.put("b", "a secret of b", owner="container-b")
            with pytest.raises(SecretMissing):
                await vault.get("a", reference)
            assert await vault.get("b", reference) == "a secret of b"

    run(body)


def test_logs_are_the_tenant_s_own(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(log_store, "READ", forgetting(log_store.READ))

    async def body() -> None:
        async with a_pool(database) as pool:
            logs = StoredLogs(pool, DirectoryBlobStore(tmp_path))
            for tenant in ("a", "b"):
                data = f"of {tenant}".encode()
                await logs.append(
                    tenant, "s", [LogChunk(sequence=0, stream="stdout", offset=0, data=data)]
                )
            assert [chunk.data for chunk in await logs.read("a", "s")] == [b"of a"]

    run(body)


def test_a_connection_states_its_tenant_when_that_changes_and_not_else(database: Database) -> None:
    async def body() -> None:
        async with a_pool(database) as pool:
            assert await stated(pool, "a", b"SET eulermaker.tenant = 'mark'") == "mark"
            assert await stated(pool, "a") == "mark"
            assert await stated(pool, "b") == "b"
            assert await stated(pool, EVERY_TENANT) == "*"
            assert await stated(pool, "a") == "a"

    run(body)


def test_a_tenant_whose_statement_failed_is_stated_again(database: Database) -> None:
    async def body() -> None:
        async with a_pool(database) as pool:
            assert await stated(pool, "a", b"SET eulermaker.tenant = 'mark'") == "mark"
            with pytest.raises(psycopg.DataError):
                await stated(pool, "no\0text")
            assert await stated(pool, "a") == "a"

    run(body)


def test_no_tenant_can_pass_for_every_tenant(database: Database) -> None:
    async def body() -> None:
        async with a_pool(database) as pool:
            with pytest.raises(ValueError, match="cannot be called"):
                await stated(pool, "*")

    run(body)
