"""Claims effects and carries them out: in order, at most one per aggregate at a time.

Only one executor works on an engine at a time (its `WorkerLock`), and none on a foreign engine. It
calls the engine only while its lease lasts: after that, others may. An effect's outcome goes back
to the aggregate as a command with the effect's id, so however often an effect is tried, its
outcome is recorded once.
"""

import asyncio
import uuid
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.workers.crash_points import CrashPoint, CrashPoints
from api.workers.engine_binding import EngineBinding
from api.workers.given_up import report_of
from api.workers.lease import Lease
from api.workers.loops import Wakeable, Worker, WorkerLock, backoff
from domain.application.command_handler import CommandHandler
from domain.application.perform_build import BuildPerformer
from domain.application.perform_container import ContainerPerformer
from domain.errors import (
    CommandIdReused,
    DomainError,
    EngineError,
    EngineUnavailable,
    LeaseExpired,
    Refusal,
    StoreOverloaded,
    StoreUnavailable,
)
from domain.event import Command, CommandContext
from domain.ports import ClaimedEffect, Clock, EffectStore, ImageBuilds
from domain.processes.effects import BuildEffects, ContainerEffects, EraseSecrets, SendCommand

ACTOR = "system:executor"
MAX_AT_ONCE = 48
MAX_RUNNING = 256
SLOW_SECONDS = 5.0
"""An effect that takes longer (a stop with a long grace, a pull) gives its place to others."""
EXTENSIONS_PER_LEASE = 3
POLL_SECONDS = 1.0
MAX_UNKNOWN_ATTEMPTS = 5
PASSING = (EngineUnavailable, LeaseExpired, StoreOverloaded, StoreUnavailable)
"""They say nothing of the effect: it is tried until they are over."""
EFFECT_SECONDS = 1_800.0

log = structlog.get_logger(__name__)


class ExecutorMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.effects = Counter(
            "eulermaker_effects_total", "Effects by result.", ["effect", "result"],
            registry=registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "eulermaker_effect_seconds", "Time to carry an effect out.", ["effect"],
            registry=registry,
        )  # fmt: skip
        self.depth = Gauge(
            "eulermaker_effects_waiting", "Effects due or under way.", registry=registry
        )
        self.engine_errors = Counter(
            "eulermaker_engine_errors", "Calls to the engine that failed.", ["error"],
            registry=registry,
        )  # fmt: skip


class _Running(NamedTuple):
    task: asyncio.Task[None]
    since: float


class Executor(Worker):
    def __init__(
        self,
        *,
        lock: WorkerLock,
        lease: Lease,
        binding: EngineBinding,
        effects: EffectStore,
        handler: CommandHandler,
        containers: ContainerPerformer,
        builds: BuildPerformer,
        image_builds: ImageBuilds,
        clock: Clock,
        crash: CrashPoints,
        metrics: ExecutorMetrics,
    ) -> None:
        super().__init__("executor")
        self._lock = lock
        self._lease = lease
        self._binding = binding
        self._effects = effects
        self._handler = handler
        self._containers = containers
        self._builds = builds
        self._image_builds = image_builds
        self._clock = clock
        self._crash = crash
        self._metrics = metrics
        self._owner = uuid.uuid4().hex
        self._running: dict[str, _Running] = {}
        self._interruptible: set[str] = set()
        self._unreachable = 0
        self._done = asyncio.Event()

    async def run(self) -> None:
        async with self._lock() as lock, asyncio.TaskGroup() as group:
            await self._binding.settle()
            self._lease.begin(lock)
            await self._effects.take_over()
            await self._image_builds.recover()
            keeper = group.create_task(self._keep_leases())
            try:
                while True:
                    self._done.clear()
                    self._binding.refuse_foreign()
                    await self._claim(group)
                    await self._wait(lock)
                    await self._interrupt()
            finally:
                self._lease.end()
                keeper.cancel()
                for running in self._running.values():
                    running.task.cancel()
                await self._image_builds.stop()

    async def _claim(self, group: asyncio.TaskGroup) -> None:
        free = self._free()
        if free <= 0 or self._lease.is_over:
            return
        for claimed in await self._effects.claim(
            self._owner, limit=free, lease_seconds=self._lease.seconds
        ):
            if claimed.effect_id in self._running:
                continue  # its lease ended early, by a clock that jumped: it is ours again
            self._crash.pass_by(CrashPoint.EFFECT_CLAIMED)
            task = group.create_task(self._carry_out(claimed), name=claimed.effect_id)
            self._running[claimed.effect_id] = _Running(task, asyncio.get_running_loop().time())
            if not claimed.superseded:
                self._interruptible.add(claimed.effect_id)

    def _free(self) -> int:
        slow_since = asyncio.get_running_loop().time() - SLOW_SECONDS
        quick = sum(running.since > slow_since for running in self._running.values())
        return min(MAX_AT_ONCE - quick, MAX_RUNNING - len(self._running))

    async def _wait(self, lock: Wakeable) -> None:
        """Until an effect is done, new ones may be there, or it is time to look."""
        waiting = asyncio.ensure_future(lock.wait(POLL_SECONDS))
        done = asyncio.ensure_future(self._done.wait())
        try:
            await asyncio.wait((waiting, done), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            for future in (waiting, done):
                future.cancel()
            await asyncio.gather(waiting, done, return_exceptions=True)

    async def _interrupt(self) -> None:
        """Once each: it is given back at once, and its report is not to be interrupted again."""
        if not self._interruptible:
            return
        for effect_id in await self._effects.interrupted(self._owner):
            if effect_id in self._interruptible:
                self._interruptible.discard(effect_id)
                self._running[effect_id].task.cancel()

    async def _keep_leases(self) -> None:
        while True:
            self._metrics.depth.set(await self._effects.depth())
            await asyncio.sleep(self._lease.seconds / EXTENSIONS_PER_LEASE)
            asked_at = asyncio.get_running_loop().time()
            await self._effects.extend(
                self._owner, list(self._running), lease_seconds=self._lease.seconds
            )
            self._lease.renew(asked_at)

    async def _carry_out(self, claimed: ClaimedEffect) -> None:
        kind = type(claimed.effect).__name__
        try:
            with self._metrics.seconds.labels(kind).time():
                async with asyncio.timeout(EFFECT_SECONDS):
                    await self._perform_and_record(claimed)
            await self._effects.finish(self._owner, claimed.effect_id)
            self._metrics.effects.labels(kind, "done").inc()
        except asyncio.CancelledError:
            await self._again(claimed, "interrupted", delay_seconds=0.0)
            self._metrics.effects.labels(kind, "interrupted").inc()
        except Exception as error:  # noqa: BLE001 - the outermost: logged, and tried again
            self._interruptible.discard(claimed.effect_id)  # it is about to be given back
            self._metrics.effects.labels(kind, "retried").inc()
            await self._after_error(claimed, error)
        finally:
            self._running.pop(claimed.effect_id, None)
            self._interruptible.discard(claimed.effect_id)
            self._done.set()

    async def _perform_and_record(self, claimed: ClaimedEffect) -> None:
        if claimed.attempt > 1 and await self._is_recorded(claimed):
            return
        command = await self._perform(claimed)
        self._unreachable = 0
        self._crash.pass_by(CrashPoint.ENGINE_CALLED)
        if command is not None:
            await self._record(claimed, command)
        self._crash.pass_by(CrashPoint.OUTCOME_APPENDED)

    async def _is_recorded(self, claimed: ClaimedEffect) -> bool:
        """Whoever did it before us came as far as its outcome: never do it again."""
        receipt = await self._handler.find_receipt(claimed.tenant, claimed.effect_id)
        return receipt is not None

    async def _perform(self, claimed: ClaimedEffect) -> Command | None:
        effect = claimed.effect
        if isinstance(effect, ContainerEffects):
            return await self._containers.perform(claimed, effect)
        if isinstance(effect, EraseSecrets):
            return await self._containers.erase_secrets(claimed, effect)
        if isinstance(effect, BuildEffects):
            return await self._builds.perform(claimed, effect)
        assert isinstance(effect, SendCommand)
        return None if claimed.superseded else effect.command

    async def _record(self, claimed: ClaimedEffect, command: Command) -> None:
        context = CommandContext(
            command_id=claimed.effect_id,
            tenant=claimed.tenant,
            correlation_id=claimed.correlation_id,
            causation_id=claimed.effect_id,
            actor=ACTOR,
            occurred_at=self._clock.now(),
        )
        try:
            await self._handler.handle(command, context)
        except (Refusal, CommandIdReused) as refusal:
            log.info("outcome refused", effect=claimed.effect_id, reason=str(refusal))

    async def _after_error(self, claimed: ClaimedEffect, error: Exception) -> None:
        if isinstance(error, EngineError):
            self._metrics.engine_errors.labels(type(error).__name__).inc()
        known = isinstance(error, DomainError | TimeoutError)
        reason = str(error) or type(error).__name__
        log.warning(
            "effect to be tried again",
            effect=claimed.effect_id,
            kind=type(claimed.effect).__name__,
            attempt=claimed.attempt,
            correlation_id=claimed.correlation_id,
            reason=reason,
            exc_info=None if known else error,
        )
        if (
            not isinstance(error, PASSING)
            and claimed.attempt >= MAX_UNKNOWN_ATTEMPTS
            and await self._give_up(claimed, reason)
        ):
            return
        if isinstance(error, EngineUnavailable):
            self._unreachable += 1
            delay = backoff(self._unreachable)
            await self._again(claimed, reason, delay_seconds=delay, untouched=True)
            return
        await self._again(claimed, reason, delay_seconds=backoff(claimed.attempt))

    async def _give_up(self, claimed: ClaimedEffect, reason: str) -> bool:
        """An outcome that stays unknown is a fact too, and a stream must not wait for ever."""
        outcome = report_of(claimed.effect, reason)
        if outcome is None:
            return False
        try:
            await self._record(claimed, outcome)
            await self._effects.finish(self._owner, claimed.effect_id)
        except Exception as error:  # noqa: BLE001 - what broke the effect may break this too
            log.warning("not given up", effect=claimed.effect_id, reason=str(error))
            return False
        return True

    async def _again(
        self, claimed: ClaimedEffect, reason: str, *, delay_seconds: float, untouched: bool = False
    ) -> None:
        try:
            await self._effects.retry(
                self._owner,
                claimed.effect_id,
                delay_seconds=delay_seconds,
                reason=reason,
                untouched=untouched,
            )
        except StoreUnavailable:
            log.warning("the lease must run out first", effect=claimed.effect_id)
