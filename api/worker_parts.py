"""Wires the workers of the role `work`."""

import asyncio
from datetime import timedelta
from functools import partial

from adapters.postgres.blob_references import PostgresBlobReferences
from adapters.postgres.effects import WAKE_CHANNEL, PostgresEffectStore
from adapters.postgres.running_builds import PostgresRunningBuilds
from adapters.postgres.session_lock import session_lock
from adapters.postgres.watches import PostgresWatches, installation_id
from api.bootstrap import Core
from api.workers.container_observer import ContainerObserver
from api.workers.crash_points import CrashPoints
from api.workers.engine_binding import EngineBinding
from api.workers.executor import Executor, ExecutorMetrics
from api.workers.guarded_engine import GuardedEngine
from api.workers.image_builds import ImageBuildRunner
from api.workers.lease import Lease
from api.workers.log_follower import LogFollower, LogLimits
from api.workers.loops import Worker
from api.workers.lost_steps import LostSteps
from api.workers.observations import Reporter
from api.workers.process_manager import ProcessManager
from api.workers.reconciler import Reconciler
from api.workers.step_observer import StepObserver
from api.workers.sweeper import Sweeper, SweeperMetrics
from domain.application.build_steps import BuildSettings
from domain.application.collect_blobs import BlobCollector
from domain.application.perform_build import BuildPerformer
from domain.application.perform_container import ContainerPerformer
from domain.application.sweep_secrets import SecretSweep
from domain.errors import StoreUnavailable
from domain.ports import ContainerEngine
from projections.queries import Queries

STARTUP_RETRY_SECONDS = 0.5


async def installation(parts: Core) -> str:
    """Waits for the database: nothing can be done without its name."""
    while True:
        try:
            return await installation_id(parts.pool)
        except StoreUnavailable:
            await asyncio.sleep(STARTUP_RETRY_SECONDS)


def workers(
    parts: Core, docker: ContainerEngine, queries: Queries, installed_as: str
) -> tuple[Worker, ...]:
    """All that work on the log and the engine, in the order in which they start."""
    crash = CrashPoints(parts.settings.testing.crash_at)
    reporter = Reporter(parts.handler, parts.clock)

    limits = LogLimits(max_bytes=parts.settings.storage.max_log_bytes)

    def followers(tenant: str, subject: str) -> LogFollower:
        return LogFollower(logs=parts.logs, tenant=tenant, subject=subject, limits=limits)

    binding = EngineBinding(
        engine=docker, handler=parts.handler, reporter=reporter, registry=parts.registry
    )
    bound = GuardedEngine(docker, binding.call)
    lease = Lease()
    leased = GuardedEngine(bound, lease.call)
    image_builds = ImageBuildRunner(
        engine=bound,
        blobs=parts.blobs,
        reporter=reporter,
        followers=followers,
        running=PostgresRunningBuilds(parts.pool),
        clock=parts.clock,
        installation=installed_as,
    )
    effects = PostgresEffectStore(parts.pool)
    executor = Executor(
        lock=lambda: session_lock(parts.database_url, "executor", channel=WAKE_CHANNEL),
        lease=lease,
        binding=binding,
        effects=effects,
        handler=parts.handler,
        containers=ContainerPerformer(
            engine=leased,
            handler=parts.handler,
            secrets=parts.secrets,
            clock=parts.clock,
            installation=installed_as,
        ),
        builds=BuildPerformer(
            engine=leased,
            handler=parts.handler,
            blobs=parts.blobs,
            logs=parts.logs,
            image_builds=image_builds,
            settings=BuildSettings(installation=installed_as),
        ),
        image_builds=image_builds,
        clock=parts.clock,
        crash=crash,
        metrics=ExecutorMetrics(parts.registry),
    )
    reconciler = Reconciler(
        lock=lambda: session_lock(parts.database_url, "reconciler"),
        engine=bound,
        binding=binding,
        reporter=reporter,
        containers=ContainerObserver(
            engine=bound, handler=parts.handler, reporter=reporter, followers=followers
        ),
        steps=StepObserver(
            engine=bound, handler=parts.handler, reporter=reporter, followers=followers
        ),
        lost_steps=LostSteps(bound, parts.handler, reporter),
        queries=queries,
        watches=PostgresWatches(parts.pool),
        clock=parts.clock,
        installation=installed_as,
    )
    return (
        ProcessManager(store=parts.store, tail=parts.tail, effects=effects, crash=crash),
        executor,
        reconciler,
        _sweeper(parts, installed_as),
    )


def _sweeper(parts: Core, installed_as: str) -> Sweeper:
    unused_for = timedelta(seconds=parts.settings.storage.unused_blob_seconds)
    return Sweeper(
        lock=lambda: session_lock(parts.database_url, "sweeper"),
        secrets=SecretSweep(secrets=parts.secrets, handler=parts.handler, clock=parts.clock),
        blobs=BlobCollector(
            store=parts.store,
            blobs=parts.blobs,
            references=PostgresBlobReferences(parts.pool),
            handler=parts.handler,
            clock=parts.clock,
            ids=parts.ids,
            installation=installed_as,
            unused_for=unused_for,
        ),
        remove_log_files=partial(parts.stored_logs.remove_orphans, installed_as),
        metrics=SweeperMetrics(parts.registry),
    )
