"""A whole installation in memory: the workers on a log, an engine and stores that lose nothing."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from prometheus_client import CollectorRegistry

from adapters.memory.blob_store import InMemoryBlobStore
from adapters.memory.container_engine import InMemoryContainerEngine
from adapters.memory.effects import InMemoryEffectStore
from adapters.memory.event_store import InMemoryEventStore
from adapters.memory.log_store import InMemoryLogStore
from adapters.memory.read_models import InMemoryQueries
from adapters.memory.running_builds import InMemoryRunningBuilds
from adapters.memory.secret_vault import InMemorySecretVault
from adapters.memory.watches import InMemoryWatches
from adapters.system import SystemClock
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
from domain.application.aggregates import aggregate_named
from domain.application.build_steps import BuildSettings
from domain.application.command_handler import CommandHandler
from domain.application.perform_build import BuildPerformer
from domain.application.perform_container import ContainerPerformer
from domain.errors import StoreUnavailable
from domain.event import (
    DEFAULT_TENANT,
    Append,
    Command,
    CommandContext,
    Event,
    Receipt,
    RecordedEvent,
)

INSTALLATION = "i-1"
DEADLINE_SECONDS = 20


class SignallingStore(InMemoryEventStore):
    """Tells when the log has grown; also a LogReader. refuses: appends that fail, for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.grown = asyncio.Condition()

    async def append(self, append: Append) -> Receipt:
        receipt = await super().append(append)
        async with self.grown:
            self.grown.notify_all()
        return receipt

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        return await self.read_log(after, limit=limit)

    async def wait(self, after: int, *, timeout_seconds: float) -> int:
        del timeout_seconds  # it never misses a signal
        async with self.grown:
            while (await self.head()).position <= after:
                await self.grown.wait()
        return (await self.head()).position


class Lock:
    """The executor's: one at a time, and lost when a test says so."""

    def __init__(self, effects: InMemoryEffectStore) -> None:
        self._effects = effects
        self._one = asyncio.Lock()
        self.lost = False

    @asynccontextmanager
    async def held(self) -> AsyncGenerator["Lock"]:
        async with self._one:
            yield self

    async def wait(self, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._effects.written.wait()
        except TimeoutError:
            pass
        self._effects.written.clear()
        if self.lost:
            self.lost = False
            raise StoreUnavailable("The lock of this worker is lost.")


class Installation:
    """Everything but what remembers may be made anew by `restarted`, as after a power cut."""

    def __init__(
        self, *, images: Sequence[str] = ("base:1", "alpine:3"), lease: Lease | None = None
    ) -> None:
        self.store = SignallingStore()
        self.effects_ahead_seconds = 0.0
        self.effects = InMemoryEffectStore(self._effects_clock)
        self.lock = Lock(self.effects)
        self.engine = InMemoryContainerEngine(images=images)
        self.logs = InMemoryLogStore()
        self.blobs = InMemoryBlobStore()
        self.secrets = InMemorySecretVault()
        self.running_builds = InMemoryRunningBuilds()
        self.watches = InMemoryWatches()
        self.clock = SystemClock()
        self.lease = lease or Lease()
        self.log_bytes = 1_000_000
        self._numbers = count(1)
        self.wire()

    def wire(self) -> None:
        self.handler = CommandHandler(self.store)
        reporter = Reporter(self.handler, self.clock)
        binding = EngineBinding(
            engine=self.engine,
            handler=self.handler,
            reporter=reporter,
            registry=CollectorRegistry(),
        )
        bound = GuardedEngine(self.engine, binding.call)
        leased = GuardedEngine(bound, self.lease.call)
        self.image_builds = ImageBuildRunner(
            engine=bound,
            blobs=self.blobs,
            reporter=reporter,
            followers=self._follower,
            running=self.running_builds,
            clock=self.clock,
            installation=INSTALLATION,
        )
        self.process_manager = self.a_process_manager()
        self.executor = Executor(
            lock=self.lock.held,
            lease=self.lease,
            binding=binding,
            effects=self.effects,
            handler=self.handler,
            containers=ContainerPerformer(
                engine=leased,
                handler=self.handler,
                secrets=self.secrets,
                clock=self.clock,
                installation=INSTALLATION,
            ),
            builds=BuildPerformer(
                engine=leased,
                handler=self.handler,
                blobs=self.blobs,
                logs=self.logs,
                image_builds=self.image_builds,
                settings=BuildSettings(installation=INSTALLATION),
            ),
            image_builds=self.image_builds,
            clock=self.clock,
            crash=CrashPoints(),
            metrics=ExecutorMetrics(CollectorRegistry()),
        )
        self.containers = ContainerObserver(
            engine=bound,
            handler=self.handler,
            reporter=reporter,
            followers=self._follower,
        )
        self.steps = StepObserver(
            engine=bound,
            handler=self.handler,
            reporter=reporter,
            followers=self._follower,
        )
        self.reconciler = Reconciler(
            lock=Lock(InMemoryEffectStore()).held,
            engine=bound,
            binding=binding,
            reporter=reporter,
            containers=self.containers,
            steps=self.steps,
            lost_steps=LostSteps(bound, self.handler, reporter),
            queries=InMemoryQueries(self.store),
            watches=self.watches,
            clock=self.clock,
            installation=INSTALLATION,
        )

    def a_process_manager(self) -> ProcessManager:
        return ProcessManager(
            store=self.store, tail=self.store, effects=self.effects, crash=CrashPoints()
        )

    @asynccontextmanager
    async def at_work(self, *workers: Worker) -> AsyncGenerator[None]:
        chosen = workers or (self.process_manager, self.executor, self.reconciler)
        for worker in chosen:
            await worker.start()
        try:
            yield
        finally:
            for worker in reversed(chosen):
                await worker.stop()

    async def send(self, command: Command, *, expected_version: int | None = None) -> Receipt:
        return await self.handler.handle(
            command,
            CommandContext(
                command_id=f"request-{next(self._numbers)}",
                correlation_id="request",
                actor="key:tests",
                occurred_at=self.clock.now(),
            ),
            expected_version=expected_version,
        )

    async def events(self, stream: str) -> list[Event]:
        recorded = await self.store.read_stream(DEFAULT_TENANT, stream)
        return [each.event for each in recorded]

    async def recorded(self, stream: str, kind: type[Event], *, times: int = 1) -> list[Event]:
        """The stream's events, once that many of this kind are among them."""
        async with self.store.grown:
            while True:
                events = await self.events(stream)
                if sum(isinstance(event, kind) for event in events) >= times:
                    return events
                await self.store.grown.wait()

    async def state(self, stream: str) -> object:
        prefix, _, identifier = stream.partition("-")
        aggregate = aggregate_named(prefix)
        assert aggregate is not None
        return (await self.handler.load(aggregate, DEFAULT_TENANT, identifier)).state

    async def keep(self, content: bytes) -> str:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        stat = await self.blobs.put(DEFAULT_TENANT, pieces(), limit_bytes=len(content) + 1)
        return stat.digest

    def calls(self, method: str) -> list[str]:
        return [subject for called, subject in self.engine.calls if called == method]

    def _effects_clock(self) -> float:
        return asyncio.get_running_loop().time() + self.effects_ahead_seconds

    def _follower(self, tenant: str, subject: str) -> LogFollower:
        limits = LogLimits(max_bytes=self.log_bytes)
        return LogFollower(logs=self.logs, tenant=tenant, subject=subject, limits=limits)


def run(body: Callable[[Installation], Awaitable[None]], *, lease: Lease | None = None) -> None:
    async def main() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await body(Installation(lease=lease))

    asyncio.run(main())


def names(events: Sequence[Event], prefix: str) -> list[str]:
    return [type(event).__name__.removeprefix(prefix) for event in events]
