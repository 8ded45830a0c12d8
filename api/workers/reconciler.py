"""Makes what we know agree with what the engine shows. The engine's events only wake it up.

Each run subscribes first, then looks at everything; the time in which nobody watched is
recorded as a gap. Whatever it finds it reports as a command; it changes nothing itself but to
remove what nobody should have made. Of a foreign engine it believes nothing. One reconciler works
at a time: two would keep each log twice.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog

from api.workers.container_observer import ContainerObserver
from api.workers.engine_binding import EngineBinding
from api.workers.loops import Wakeable, Worker, WorkerLock
from api.workers.lost_steps import LostSteps
from api.workers.observations import Reporter
from api.workers.step_observer import StepObserver
from domain.engines.commands import ObserveEngine, RecordObservationGap
from domain.errors import ConcurrencyConflict, EngineOutcomeUnknown, EngineRefused
from domain.event import DEFAULT_TENANT
from domain.ports import (
    Clock,
    ContainerEngine,
    EngineContainer,
    EngineEvent,
    EngineListing,
    EngineNetwork,
    Watches,
)
from domain.processes import naming
from projections.queries import Queries

FULL_LOOK_SECONDS = 5.0
QUEUED_NAMES = 10_000

log = structlog.get_logger(__name__)


class Reconciler(Worker):
    def __init__(
        self,
        *,
        lock: WorkerLock,
        engine: ContainerEngine,
        binding: EngineBinding,
        reporter: Reporter,
        containers: ContainerObserver,
        steps: StepObserver,
        lost_steps: LostSteps,
        queries: Queries,
        watches: Watches,
        clock: Clock,
        installation: str,
    ) -> None:
        super().__init__("reconciler")
        self._lock = lock
        self._engine = engine
        self._binding = binding
        self._reporter = reporter
        self._containers = containers
        self._steps = steps
        self._lost_steps = lost_steps
        self._queries = queries
        self._watches = watches
        self._clock = clock
        self._labels = {naming.INSTALLATION: installation}
        self._woken = asyncio.Event()
        self._names: set[str] = set()
        self._unseen = frozenset[str]()
        steps.on_end = self._wake
        containers.on_end = self._wake

    async def run(self) -> None:
        async with self._lock() as lock:
            try:
                await self._observe_engine(lock)
            finally:
                await self._stop_following()

    async def _observe_engine(self, lock: Wakeable) -> None:
        identity = await self._binding.verify()
        async with asyncio.TaskGroup() as group:
            # Called here: it hears what happens from now on, however late the task begins to read.
            group.create_task(self._listen(self._engine.events(labels=self._labels)))
            await self._look_at_everything()
            await self._begin_watch(identity.engine_id)
            await self._reporter.report(
                DEFAULT_TENANT,
                ObserveEngine(
                    engine_id=identity.engine_id,
                    name=identity.name,
                    version=identity.version,
                    api_version=identity.api_version,
                ),
                seen_at_version=int(self._clock.now().timestamp()),
            )
            await self._watch(identity.engine_id, lock)

    async def _watch(self, engine_id: str, lock: Wakeable) -> None:
        loop = asyncio.get_running_loop()
        full_look_at = loop.time() + FULL_LOOK_SECONDS
        while True:
            await self._wait_until(full_look_at)
            await self._look_at_named()
            if loop.time() >= full_look_at:
                await lock.wait(0.0)
                await self._look_at_everything()
                await self._watches.save(engine_id, self._clock.now())
                full_look_at = loop.time() + FULL_LOOK_SECONDS

    async def stop(self) -> None:
        await super().stop()
        await self._stop_following()

    async def _stop_following(self) -> None:
        """Before the lock goes: whoever gets it next keeps these logs."""
        await self._steps.stop()
        await self._containers.stop()

    async def _begin_watch(self, engine_id: str) -> None:
        """Recorded before it is remembered: a gap may be told twice, and is never forgotten."""
        since, now = await self._watches.last(engine_id), self._clock.now()
        if since is not None:
            gap = RecordObservationGap(
                engine_id=engine_id, since=since, until=now, reason="nobody watched the engine"
            )
            await self._reporter.report(DEFAULT_TENANT, gap)
        await self._watches.save(engine_id, now)

    async def _listen(self, events: AsyncIterator[EngineEvent]) -> None:
        async for event in events:
            if event.container.startswith(naming.NAME_PREFIX):  # else somebody has renamed it
                self._wake(event.container)
        raise ConnectionError("The engine closed its stream of events")

    def _wake(self, name: str) -> None:
        if len(self._names) < QUEUED_NAMES:
            self._names.add(name)
        self._woken.set()

    async def _wait_until(self, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    async def _look_at_named(self) -> None:
        names, self._names = self._names, set()
        looks = await asyncio.gather(
            *(self._engine.inspect(name) for name in names), return_exceptions=True
        )
        found = EngineListing.of(dict(zip(names, looks, strict=True)))
        await self._observe(found.containers)
        await self._containers.close_logs(names - found.names)

    async def _look_at_everything(self) -> None:
        living = (await self._queries.list_living_containers()).value
        stepping = (await self._queries.list_stepping_builds()).value
        found = await self._engine.list(self._labels)
        await self._binding.verify()  # after it: what a foreign engine lacks has not disappeared
        self._tell_of_unseen(found.unseen)
        await self._observe(found.containers)
        present = found.names
        self._steps.forget_all_but(present)
        await self._containers.close_logs(self._containers.followed - present)
        for expected in living:
            if expected.engine_name not in present:
                await self._containers.observe_gone(expected)
        for build in stepping:
            await self._lost_steps.observe(build, present)
        for network in await self._engine.list_networks(self._labels):
            await self._observe_network(network)

    def _tell_of_unseen(self, names: frozenset[str]) -> None:
        """Once each: nothing can be said of them, so they are neither observed nor gone."""
        for name in names - self._unseen:
            log.warning("the engine fails to show a container; it is left alone", container=name)
        self._unseen = names

    async def _observe_network(self, network: EngineNetwork) -> None:
        aggregate = network.labels.get(naming.AGGREGATE, "")
        try:
            if aggregate.startswith("build-"):
                await self._steps.observe_network(network)
            elif aggregate.startswith("container-"):
                await self._containers.observe_network(network)
        except (EngineOutcomeUnknown, EngineRefused) as error:
            log.warning("look again later", network=network.name, reason=str(error))

    async def _observe(self, found: Sequence[EngineContainer]) -> None:
        for container in found:
            if not self._labels.items() <= container.labels.items():
                continue
            try:
                await self._observe_one(container)
            except (ConcurrencyConflict, EngineOutcomeUnknown, EngineRefused) as error:
                log.warning("look again later", container=container.name, reason=str(error))
            except (KeyError, ValueError):  # not as we label: one odd container blinds nobody
                log.exception("container with labels of another's making", name=container.name)

    async def _observe_one(self, container: EngineContainer) -> None:
        """By the aggregate that it belongs to; images may bring any other label along."""
        aggregate = container.labels.get(naming.AGGREGATE, "")
        if not container.name.startswith(f"{naming.NAME_PREFIX}{aggregate.partition('-')[2]}-"):
            return
        if aggregate.startswith("build-"):
            await self._steps.observe(container)
        elif aggregate.startswith("container-"):
            await self._containers.observe(container)
