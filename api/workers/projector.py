"""Keeps the read models up to the log: leads those that nobody leads, stands by for the others.

Those that have far to go (a rebuild) do so by themselves and hold up nobody.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from adapters.postgres.projection_registry import ProjectionRegistry, Version
from adapters.postgres.read_models import Follower
from api.workers.loops import LogReader, Worker, backoff
from api.workers.projection_cohort import FAILURES, Cohort
from projections.catalog import READ_MODELS
from projections.model import ReadModel
from projections.queries import ProjectionState, ProjectionStatus

SCAN_SECONDS = 2.0
IDLE_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 30.0

log = structlog.get_logger(__name__)
Report = Callable[[Sequence[ProjectionStatus]], None]


class Projector(Worker):
    """Any number of processes may run one; each version has one leader among them."""

    def __init__(
        self,
        url: str,
        log_reader: LogReader,
        *,
        models: Sequence[ReadModel[Any]] = READ_MODELS,
        report: Report = lambda _: None,
        scan_seconds: float = SCAN_SECONDS,
    ) -> None:
        """report: is given the state of all projections at each scan, for metrics."""
        super().__init__("projector")
        self._url = url
        self._log_reader = log_reader
        self._models = {model.name: model for model in models}
        self._registry = ProjectionRegistry(url, models)
        self._report = report
        self._scan_seconds = scan_seconds
        self._near = Cohort(log_reader, self._failed)
        self._far = Cohort(log_reader, self._failed)
        self._failures: dict[tuple[str, int], Failures] = {}
        self._states: dict[tuple[str, int], ProjectionState] = {}

    async def run(self) -> None:
        await self._registry.ensure()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._scan())
                group.create_task(self._follow())
                group.create_task(self._catch_up())
        finally:
            await self._near.close()
            await self._far.close()

    async def _scan(self) -> None:
        while True:
            for version in await self._registry.list_leaderless():
                await self._lead(version)
            statuses = await self._registry.list_statuses()
            self._states = {(status.name, status.version): status.state for status in statuses}
            self._report(statuses)
            await asyncio.sleep(self._scan_seconds)

    async def _lead(self, version: Version) -> None:
        failures = self._failures.get((version.name, version.version))
        if failures is not None and asyncio.get_running_loop().time() < failures.not_before:
            return
        model = self._models[version.name]
        follower = await Follower.lead(self._url, model, version.version)
        if follower is not None:
            log.info("projection led", projection=version.name, version=version.version)
            self._far.add(follower)

    async def _follow(self) -> None:
        while True:
            step = await self._near.step()
            for follower in step.members:
                await self._reconsider(follower)
            if not step.moved:
                await self._log_reader.wait(self._near.position, timeout_seconds=IDLE_SECONDS)

    async def _reconsider(self, follower: Follower) -> None:
        """Somebody may have retired it, or taken it up again."""
        state = self._states.get((follower.name, follower.version), "ready")
        if state == "retired":
            self._near.remove(follower)
            await follower.close()
        elif state == "building":
            self._near.remove(follower)
            self._far.add(follower)

    async def _catch_up(self) -> None:
        while True:
            step = await self._far.step()
            if step.at_end:
                for follower in step.members:
                    await self._promote(follower)

    async def _promote(self, follower: Follower) -> None:
        """It has reached the end of the log."""
        self._far.remove(follower)
        try:
            await self._registry.complete(follower.name, follower.version)
        except FAILURES as error:
            await follower.close()
            self._failed(follower, error)
        except BaseException:
            await follower.close()
            raise
        else:
            self._failures.pop((follower.name, follower.version), None)
            self._states.pop((follower.name, follower.version), None)
            self._near.add(follower)

    def _failed(self, follower: Follower, error: Exception) -> None:
        """Leave it for a while, to whoever is faster."""
        key = (follower.name, follower.version)
        failures = self._failures.setdefault(key, Failures())
        pause = failures.add(asyncio.get_running_loop().time())
        log.warning(
            "projection paused",
            projection=follower.name,
            version=follower.version,
            position=follower.position,
            pause_seconds=round(pause, 1),
            reason=str(error),
        )


class Failures:
    """In a row, of one projection."""

    def __init__(self) -> None:
        self._count = 0
        self.not_before = 0.0

    def add(self, now: float) -> float:
        self._count += 1
        pause = backoff(self._count, most=MAX_BACKOFF_SECONDS)
        self.not_before = now + pause
        return pause
