"""Keeps the read models up to the log: leads those that nobody leads, stands by for the others.

Those that have far to go (a rebuild) do so by themselves and hold up nobody, nor do those whose
indexes are being made.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from adapters.postgres.projection_registry import ProjectionRegistry, Version
from adapters.postgres.read_models import Follower
from api.workers.loops import LogReader, Worker, backoff
from api.workers.projection_cohort import FAILURES, Cohort
from domain.errors import StoreUnavailable
from projections.catalog import READ_MODELS
from projections.errors import UnknownProjection
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
        self._far: list[Cohort] = []
        self._filled = Cohort(log_reader, self._failed)
        self._tasks = asyncio.TaskGroup()
        self._failures: dict[tuple[str, int], Failures] = {}
        self._states: dict[tuple[str, int], ProjectionState] = {}

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._scan())
                self._tasks.create_task(self._follow())
                self._tasks.create_task(self._complete())
        finally:
            far, self._far = self._far, []
            for cohort in (self._near, self._filled, *far):
                await cohort.close()

    async def _scan(self) -> None:
        """A failure ends no leader. The server may come back from it with another log."""
        while True:
            try:
                await self._registry.ensure()
                while True:
                    await self._look_around()
                    await asyncio.sleep(self._scan_seconds)
            except StoreUnavailable as error:
                log.warning("projections not looked at", reason=str(error))
            await asyncio.sleep(self._scan_seconds)

    async def _look_around(self) -> None:
        for version in await self._registry.list_leaderless():
            await self._lead(version)
        statuses = await self._registry.list_statuses()
        self._states = {(status.name, status.version): status.state for status in statuses}
        self._report(statuses)

    async def _lead(self, version: Version) -> None:
        failures = self._failures.get(_key(version))
        if failures is not None and asyncio.get_running_loop().time() < failures.not_before:
            return
        model = self._models[version.name]
        try:
            follower = await Follower.lead(self._url, model, version.version)
        except FAILURES as error:
            self._failed(version, error)
            return
        if follower is not None:
            log.info("projection led", projection=version.name, version=version.version)
            self._states[_key(version)] = version.state
            self._set_out(follower)

    def _set_out(self, follower: Follower) -> None:
        """With those that are about as far, or by itself: nobody waits for who is far behind."""
        for cohort in self._far:
            if cohort.is_within_reach(follower):
                cohort.add(follower)
                return
        cohort = Cohort(self._log_reader, self._failed)
        cohort.add(follower)
        self._far.append(cohort)
        self._tasks.create_task(self._catch_up(cohort))

    async def _catch_up(self, cohort: Cohort) -> None:
        """Until each member is at the end of the log, or gone."""
        while cohort.members:
            step = await cohort.step()
            if step.at_end:
                for follower in step.members:
                    cohort.remove(follower)
                    self._arrive(follower)
        self._far.remove(cohort)

    def _arrive(self, follower: Follower) -> None:
        if self._states.get(_key(follower)) == "building":
            self._filled.add(follower)
        else:
            self._failures.pop(_key(follower), None)
            self._near.add(follower)

    async def _complete(self) -> None:
        """One version at a time, for minutes: then it has what came meanwhile still to go."""
        while True:
            for follower in await self._filled.joined():
                try:
                    await self._registry.complete(follower.name, follower.version)
                except (*FAILURES, UnknownProjection) as error:
                    await self._filled.let_go(follower, error)
                else:
                    self._filled.remove(follower)
                    self._states[_key(follower)] = "ready"
                    self._set_out(follower)

    async def _follow(self) -> None:
        while True:
            step = await self._near.step()
            for follower in step.members:
                await self._reconsider(follower)
            if not step.moved:
                await self._log_reader.wait(self._near.position, timeout_seconds=IDLE_SECONDS)

    async def _reconsider(self, follower: Follower) -> None:
        """Somebody may have retired or dropped it, or taken it up again."""
        state = self._states.get(_key(follower))
        if state in {None, "retired"}:
            self._near.remove(follower)
            await follower.close()
        elif state == "building":
            self._near.remove(follower)
            self._filled.add(follower)

    def _failed(self, failed: Follower | Version, error: Exception) -> None:
        """Leave it for a while, to whoever is faster."""
        failures = self._failures.setdefault(_key(failed), Failures())
        pause = failures.add(asyncio.get_running_loop().time())
        log.warning(
            "projection paused",
            projection=failed.name,
            version=failed.version,
            position=failed.position,
            pause_seconds=round(pause, 1),
            reason=str(error),
        )


def _key(of: Follower | Version) -> tuple[str, int]:
    return of.name, of.version


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
