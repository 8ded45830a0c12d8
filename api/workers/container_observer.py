"""Compares what the engine shows of a container with what we know, and reports the difference."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import datetime

import structlog

from api.workers.log_follower import FollowerFactory, LogFollower
from api.workers.observations import Reporter
from api.workers.whole_log import LIVE, WholeLog
from domain.application.aggregates import CONTAINERS
from domain.application.command_handler import CommandHandler
from domain.containers.commands import (
    ObserveContainerExit,
    ObserveContainerGone,
    ObserveContainerState,
)
from domain.containers.decide import decide
from domain.containers.state import Container, Status
from domain.errors import DomainError, UnknownStream
from domain.ports import ContainerEngine, EngineContainer, EngineNetwork
from domain.processes import naming
from projections.containers import LivingContainer

log = structlog.get_logger(__name__)

Followed = tuple[str, datetime]
"""A container's name, and when it was started: a restarted one is followed again."""


class Following:
    """The log of one run of a container, being kept."""

    def __init__(self, source: WholeLog, follower: LogFollower, task: asyncio.Task[None]) -> None:
        self.source = source
        self.follower = follower
        self.task = task


class ContainerObserver:
    def __init__(
        self,
        *,
        engine: ContainerEngine,
        handler: CommandHandler,
        reporter: Reporter,
        followers: FollowerFactory,
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._reporter = reporter
        self._followers = followers
        self._following: dict[Followed, Following] = {}
        self.on_end: Callable[[str], None] = lambda _: None
        """Told the container whose log has come to an end: it may be gone."""

    async def observe(self, container: EngineContainer) -> None:
        tenant = container.labels[naming.TENANT]
        container_id = _container_id(container)
        loaded = await self._handler.load(CONTAINERS, tenant, container_id)
        state = loaded.state
        if not isinstance(state, Container):
            log.warning("container of an unknown aggregate", container=container.name)
            return
        if state.status is Status.REMOVED:
            await self._engine.remove(container.name, force=True)
            return
        self._follow(container)
        if await self._report_exit(container):
            return
        if container.status != "exited":
            seen_state = ObserveContainerState(container_id=container_id, status=container.status)
            if decide(seen_state, state) and await self._is_still_so(container):
                await self._reporter.report(
                    tenant,
                    seen_state,
                    correlation_id=container.labels.get(naming.CORRELATION),
                    seen_at_version=loaded.version,
                    expected_version=loaded.version,
                )

    async def _report_exit(self, container: EngineContainer) -> bool:
        """Whether it has ended."""
        if container.exit_code is None or container.finished_at is None:
            return False
        seen = ObserveContainerExit(
            container_id=_container_id(container),
            exit_code=container.exit_code,
            out_of_memory=container.out_of_memory,
            finished_at=container.finished_at,
        )
        await self._reporter.report(
            container.labels[naming.TENANT],
            seen,
            correlation_id=container.labels.get(naming.CORRELATION),
        )
        return True

    async def _is_still_so(self, container: EngineContainer) -> bool:
        """It may have been seen before we changed it ourselves, and looked up after."""
        now = await self._engine.inspect(container.name)
        return now is not None and now.status == container.status

    async def observe_network(self, network: EngineNetwork) -> None:
        """A killed engine may bring back what it had removed; a late call may make it again."""
        container_id = network.labels[naming.AGGREGATE].partition("-")[2]
        loaded = await self._handler.load(CONTAINERS, network.labels[naming.TENANT], container_id)
        state = loaded.state
        if isinstance(state, Container) and state.status is Status.REMOVED:
            await self._engine.remove_network(network.name)

    async def observe_gone(self, living: LivingContainer) -> None:
        """The read model says that it should be there, the engine's list lacks it."""
        if await self._engine.inspect(living.engine_name) is not None:
            return
        try:
            await self._reporter.report(
                living.tenant, ObserveContainerGone(container_id=living.container_id)
            )
        except UnknownStream:
            log.warning("unknown container in the read model", container=living.container_id)

    @property
    def followed(self) -> AbstractSet[str]:
        return {name for name, _ in self._following}

    async def close_logs(self, gone: AbstractSet[str]) -> None:
        """Of containers that the engine no longer has: once all is kept, nothing will follow."""
        still = {name for (name, _), each in self._following.items() if not each.task.done()}
        for followed, each in list(self._following.items()):
            if followed[0] in gone & still:
                each.source.container_has_ended()
            elif followed[0] in gone:
                await each.follower.close()
                del self._following[followed]

    async def stop(self) -> None:
        tasks = [following.task for following in self._following.values()]
        self._following.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _follow(self, container: EngineContainer) -> None:
        self._following = {k: f for k, f in self._following.items() if not _over(f.task)}
        if container.started_at is None:
            return
        followed = (container.name, container.started_at)
        if followed not in self._following:
            self._forget_runs(container.name)
            self._following[followed] = self._begin(container)
        if container.status not in LIVE:
            self._following[followed].source.container_has_ended()

    def _forget_runs(self, name: str) -> None:
        for followed, each in list(self._following.items()):
            if followed[0] == name and each.task.done():
                del self._following[followed]

    def _begin(self, container: EngineContainer) -> Following:
        generation = int(container.labels[naming.GENERATION])
        follower = self._followers(
            container.labels[naming.TENANT],
            naming.container_log(_container_id(container), generation),
        )
        source = WholeLog(self._engine, container.name)
        task = asyncio.create_task(
            self._keep(container, source, follower), name=f"log {container.name}"
        )
        task.add_done_callback(lambda ended: self._tell(container.name, ended))
        return Following(source, follower, task)

    async def _keep(self, begun: EngineContainer, source: WholeLog, follower: LogFollower) -> None:
        """Its exit is reported first: who waits for the end of the log then finds it."""
        await follower.follow(source.frames(), close=False)
        ended = await self._engine.inspect(begun.name)
        if ended is None or ended.started_at != begun.started_at or ended.finished_at is None:
            return
        await self._report_exit(ended)
        if follower.has_end:
            await follower.mark_complete(ended.finished_at)

    def _tell(self, name: str, ended: asyncio.Task[None]) -> None:
        """One that broke off is begun anew at the next look at everything, not at once."""
        if not ended.cancelled() and ended.exception() is None:
            self.on_end(name)


def _container_id(container: EngineContainer) -> str:
    return container.labels[naming.AGGREGATE].partition("-")[2]


def _over(task: asyncio.Task[None]) -> bool:
    """Failed tasks are begun anew; finished ones stay, so that they are not."""
    if not task.done() or task.cancelled():
        return task.cancelled()
    error = task.exception()
    if error is not None:
        known = isinstance(error, DomainError)
        log.warning("log broke off", task=task.get_name(), exc_info=None if known else error)
    return error is not None
