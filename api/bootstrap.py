"""The one place that wires: which adapter serves which port. All else is handed its parts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from prometheus_client import CollectorRegistry

from adapters.limits import RateLimits
from adapters.memory.log_wake_ups import InMemoryLogWakeUps
from adapters.memory.rate_limits import InMemoryRateLimits
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.log_store import StoredLogs
from adapters.postgres.secret_vault import EncryptedVault
from adapters.postgres.tail import LogTail
from adapters.postgres.tenants import TenantPool
from adapters.redis.broadcast import RedisBroadcast
from adapters.redis.connection import RedisConnection
from adapters.redis.live_tails import LiveTails
from adapters.redis.log_wake_ups import NAP_SECONDS, RedisLogWakeUps
from adapters.redis.rate_limits import RedisRateLimits
from adapters.redis.tailed_logs import TailedLogs
from adapters.storage.blob_store import DirectoryBlobStore
from adapters.storage.keys import load_key, load_or_create_key
from adapters.system import SystemClock, TimeOrderedIds
from api.address_rules import WITHOUT_REDIS
from api.metrics import MeasuredCommandHandler
from api.settings import Settings
from api.workers.crash_points import CrashingHandler, CrashPoints
from domain.application.command_handler import CommandHandler
from domain.ports import LogStore, LogWakeUps


@dataclass(frozen=True, kw_only=True)
class Core:
    """What every role needs. Owned by `core`, which closes it."""

    settings: Settings
    database_url: str
    pool: TenantPool
    store: PostgresEventStore
    tail: LogTail
    handler: CommandHandler
    blobs: DirectoryBlobStore
    logs: LogStore
    stored_logs: StoredLogs
    log_wake_ups: LogWakeUps
    rate_limits: RateLimits
    redis: RedisConnection | None
    secrets: EncryptedVault
    clock: SystemClock
    ids: TimeOrderedIds
    registry: CollectorRegistry


@asynccontextmanager
async def core(settings: Settings, role: str) -> AsyncGenerator[Core]:
    """Nothing here waits for a database that is away; whoever needs it does."""
    url = settings.database.service_url or settings.database.url
    await asyncio.to_thread(load_or_create_key, settings.key_file)
    registry = CollectorRegistry()
    async with AsyncExitStack() as stack:
        pool = TenantPool(url, role, size=settings.database.pool_size)
        await pool.open()
        stack.push_async_callback(pool.close)
        store = PostgresEventStore(url)
        await store.start()
        stack.push_async_callback(store.stop)
        tail = LogTail(url, store)
        await tail.start()
        stack.push_async_callback(tail.stop)
        blobs = DirectoryBlobStore(settings.blob_directory)
        await blobs.start()
        stack.push_async_callback(blobs.stop)
        log_files = DirectoryBlobStore(settings.log_directory)
        await log_files.start()
        stack.push_async_callback(log_files.stop)
        stored_logs = StoredLogs(pool, log_files)
        redis = await _redis(settings, stack)
        logs, wake_ups, rate_limits = await _live_parts(redis, stored_logs, stack)
        yield Core(
            settings=settings,
            database_url=url,
            pool=pool,
            store=store,
            tail=tail,
            handler=_handler(settings, store, registry),
            blobs=blobs,
            logs=logs,
            stored_logs=stored_logs,
            log_wake_ups=wake_ups,
            rate_limits=rate_limits,
            redis=redis,
            secrets=EncryptedVault(pool, partial(load_key, settings.key_file)),
            clock=SystemClock(),
            ids=TimeOrderedIds(),
            registry=registry,
        )


def _handler(
    settings: Settings, store: PostgresEventStore, registry: CollectorRegistry
) -> CommandHandler:
    if settings.testing.crash_at:
        return CrashingHandler(store, registry, CrashPoints(settings.testing.crash_at))
    return MeasuredCommandHandler(store, registry)


async def _redis(settings: Settings, stack: AsyncExitStack) -> RedisConnection | None:
    if settings.redis.url in {"", WITHOUT_REDIS}:
        return None
    redis = RedisConnection(settings.redis.url)
    stack.push_async_callback(redis.close)
    return redis


async def _live_parts(
    redis: RedisConnection | None, stored: StoredLogs, stack: AsyncExitStack
) -> tuple[LogStore, LogWakeUps, RateLimits]:
    if redis is None:
        return stored, InMemoryLogWakeUps(longest_seconds=NAP_SECONDS), InMemoryRateLimits()
    broadcast = RedisBroadcast(redis)
    wake_ups = RedisLogWakeUps(broadcast)
    await broadcast.start()
    stack.push_async_callback(broadcast.stop)
    return TailedLogs(stored, LiveTails(redis), wake_ups), wake_ups, RedisRateLimits(redis)
