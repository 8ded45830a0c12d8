"""Where a log comes from: the logs of a build's steps one after another, or a container's runs.

What exists is read from the events, so that a reader never waits for a read model.
"""

from datetime import datetime
from typing import Protocol

import msgspec

from api.http import errors as e
from api.http.parts import HttpParts
from api.http.queries import fold
from domain.application.aggregates import BUILDS, CONTAINERS
from domain.builds.events import BuildStepFinished, BuildStepStarted, Step
from domain.builds.state import Build
from domain.containers.state import Container, Status
from domain.processes.naming import container_log, step_log


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One stored log. size: what it will have in all, where that is known.

    step, round: empty for containers. ended_at: of what writes it, by its engine's clock.
    """

    subject: str
    step: str = ""
    round: int = 0
    size: int | None = None
    ended_at: datetime | None = None


class LogSource(Protocol):
    """The parts of a log in order.

    attempt: whose log it is; 0 for containers. ended: whatever writes it has ended. grows: until
    then there may be further parts.
    """

    attempt: int
    parts: list[Part]
    ended: bool
    grows: bool

    async def refresh(self) -> None:
        """Raises Rejected when there is no such thing."""
        ...


class BuildLog:
    """One attempt of a build: all steps, or the runs of one step."""

    def __init__(
        self, parts: HttpParts, tenant: str, build_id: str, attempt: int | None, step: Step | None
    ) -> None:
        self.attempt = attempt or 0
        self.parts: list[Part] = []
        self.ended = False
        self.grows = True
        self._store = parts.store
        self._tenant = tenant
        self._build_id = build_id
        self._step = step
        self._version = 0
        self._state: Build | None = None

    async def refresh(self) -> None:
        stream = BUILDS.stream(self._build_id)
        while page := await self._store.read_stream(
            self._tenant, stream, after_version=self._version
        ):
            for recorded in page:
                self._state = fold(BUILDS, self._state, recorded)
            self._choose_attempt()
            for recorded in page:
                self._note(recorded.event)
            self._version = page[-1].version
        if self._state is None:
            raise e.Rejected(e.UNKNOWN_ID, f"There is no build {self._build_id}.")
        if self.attempt > self._state.attempt:
            raise e.Rejected(e.UNKNOWN_ID, f"There is no attempt {self.attempt} yet.")
        self.ended = self.attempt < self._state.attempt or self._state.ended

    def _choose_attempt(self) -> None:
        """Unless it is named, the one that is the last when somebody begins to read."""
        if not self.attempt and self._state is not None:
            self.attempt = self._state.attempt

    def _note(self, event: object) -> None:
        if not isinstance(event, BuildStepStarted | BuildStepFinished):
            return
        if event.attempt != self.attempt or self._step not in {None, event.step}:
            return
        subject = step_log(self._build_id, event.attempt, event.step, event.round)
        if isinstance(event, BuildStepStarted):
            self.parts.append(Part(subject=subject, step=event.step, round=event.round))
            return
        self.parts = [
            msgspec.structs.replace(p, size=event.log.size) if p.subject == subject else p
            for p in self.parts
        ]


class ContainerLog:
    """Everything a container wrote, over all its starts."""

    def __init__(self, parts: HttpParts, tenant: str, container_id: str) -> None:
        self.attempt = 0
        self.parts: list[Part] = []
        self.ended = False
        self.grows = False
        self._handler = parts.handler
        self._tenant = tenant
        self._container_id = container_id

    async def refresh(self) -> None:
        loaded = await self._handler.load(CONTAINERS, self._tenant, self._container_id)
        state: Container | None = loaded.state
        if state is None:
            raise e.Rejected(e.UNKNOWN_ID, f"There is no container {self._container_id}.")
        subject = container_log(self._container_id, state.generation)
        self.ended = state.status in {Status.STOPPED, Status.FAILED, Status.REMOVED}
        self.parts = [Part(subject=subject, ended_at=state.finished_at if self.ended else None)]
