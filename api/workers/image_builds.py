"""Runs image builds: a task each, for as long as the engine's answer lasts.

The engine ends a build whose client goes away, so a build ends with its process. Which ones run
is written down: the next process reports those that were lost, and they are tried again.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

import structlog

from api.workers.log_follower import FollowerFactory, LogFollower
from api.workers.loops import backoff
from api.workers.observations import Reporter
from domain.builds.commands import (
    BuildReport,
    ReachTimeLimit,
    RecordBuildErrored,
    RecordBuildRefused,
    RecordImageCreated,
    RecordStepFinished,
    RecordStepStarted,
)
from domain.builds.diagnosis import wrote_too_much
from domain.builds.events import Step, StepLog
from domain.builds.spec import BuildSpec, ImageSource
from domain.errors import CommandIdReused, DomainError, Refusal
from domain.ports import (
    BlobStore,
    Clock,
    ContainerEngine,
    ImageBuildRequest,
    LogFrame,
    RunningBuild,
    RunningBuilds,
)
from domain.processes import naming

_EXIT_CODE = re.compile(r"returned a non-zero code: ([1-9]\d{0,2})$")
"""The engine's own words at the end; those before them quote the Dockerfile."""

log = structlog.get_logger(__name__)


class BuildOutcome:
    """Gathers what the engine says of one build while its text becomes the log."""

    def __init__(self) -> None:
        self.image_id = ""
        self.error = ""

    @property
    def exit_code(self) -> int:
        if self.image_id:
            return 0
        match = _EXIT_CODE.search(self.error)
        return int(match[1]) if match else 1


class ImageBuildRunner:
    """Implements `domain.ports.ImageBuilds`."""

    def __init__(
        self,
        *,
        engine: ContainerEngine,
        blobs: BlobStore,
        reporter: Reporter,
        followers: FollowerFactory,
        running: RunningBuilds,
        clock: Clock,
        installation: str,
    ) -> None:
        self._engine = engine
        self._blobs = blobs
        self._reporter = reporter
        self._followers = followers
        self._running = running
        self._clock = clock
        self._installation = installation
        self._tasks: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._written: dict[tuple[str, int], RunningBuild] = {}

    async def start(self, running: RunningBuild, spec: BuildSpec) -> datetime:
        key = (running.build_id, running.attempt)
        began = self._clock.now()
        if key not in self._tasks:
            await self._running.add(running)
            self._written[key] = running
            self._tasks[key] = asyncio.create_task(
                self._run(running, spec, began), name=f"image build {running.build_id}"
            )
        return began

    async def cancel(self, build_id: str, attempt: int) -> None:
        await self._end(build_id, attempt)
        running = self._written.pop((build_id, attempt), None)
        if running is not None:
            await self._running.remove(running)

    async def recover(self) -> None:
        for running in await self._running.all():
            if (running.build_id, running.attempt) not in self._tasks:
                await self._report(
                    running, _lost(running, "what ran it ended, or lost the database")
                )
                await self._running.remove(running)

    async def stop(self) -> None:
        """They stay written down: the next process reports them."""
        for build_id, attempt in list(self._tasks):
            await self._end(build_id, attempt)

    async def _end(self, build_id: str, attempt: int) -> None:
        task = self._tasks.pop((build_id, attempt), None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, running: RunningBuild, spec: BuildSpec, began: datetime) -> None:
        """Reports its own beginning too: its end may otherwise overtake the executor's report."""
        await self._report(running, _started(running, began))
        try:
            reports = await self._build(running, spec)
        except DomainError as error:
            reports = (_lost(running, str(error)),)
        except Exception as error:
            log.exception("image build failed", build=running.build_id)
            reports = (_lost(running, type(error).__name__),)
        for report in reports:
            await self._report(running, report)
        await self._running.remove(running)
        self._tasks.pop((running.build_id, running.attempt), None)
        self._written.pop((running.build_id, running.attempt), None)

    async def _build(self, running: RunningBuild, spec: BuildSpec) -> tuple[BuildReport, ...]:
        source = spec.source
        if not isinstance(source, ImageSource):
            raise TypeError("Only an image build has a Dockerfile")
        request = ImageBuildRequest(
            tag=f"eulermaker/builds/{spec.name}:{running.build_id}",
            dockerfile=source.dockerfile,
            target=source.target,
            arguments=source.arguments,
            labels={naming.AGGREGATE: f"build-{running.build_id}", naming.TENANT: running.tenant},
            limits=spec.limits,
            network=naming.image_network(running.build_id, running.attempt),
            cache=source.cache,
        )
        await self._engine.ensure_network(
            request.network, labels={naming.INSTALLATION: self._installation, **request.labels}
        )
        outcome = BuildOutcome()
        subject = naming.step_log(running.build_id, running.attempt, Step.IMAGE, 1)
        context = self._blobs.read(running.tenant, source.context.digest)
        follower = self._followers(running.tenant, subject)
        async with self._idle_limit(running, follower, spec.idle_seconds):
            kept = await follower.follow(self._output(request, context, outcome))
        if follower.reached_limit:
            return (_refused(running, kept),)
        finished = RecordStepFinished(
            build_id=running.build_id,
            attempt=running.attempt,
            step=Step.IMAGE,
            round=1,
            exit_code=outcome.exit_code,
            out_of_memory=False,
            finished_at=self._clock.now(),
            log=kept,
        )
        if not outcome.image_id:
            return (finished,)
        image = await self._engine.find_image(request.tag)
        created = RecordImageCreated(
            build_id=running.build_id,
            attempt=running.attempt,
            image_id=image.image_id if image else outcome.image_id,
            image=request.tag,
            size=image.size if image else 0,
        )
        return (finished, created)

    async def _output(
        self,
        request: ImageBuildRequest,
        context: AsyncIterator[bytes],
        outcome: BuildOutcome,
    ) -> AsyncGenerator[LogFrame]:
        async with aclosing(self._engine.build_image(request, context)) as outputs:
            async for output in outputs:
                outcome.image_id = output.image_id or outcome.image_id
                outcome.error = output.error or outcome.error
                text = output.text or (f"error: {output.error}\n" if output.error else "")
                if text:
                    yield LogFrame(stream=output.stream, data=text.encode())

    @asynccontextmanager
    async def _idle_limit(
        self, running: RunningBuild, follower: LogFollower, seconds: int
    ) -> AsyncGenerator[None]:
        """Reaching it is only reported: what follows from that stops the build."""
        watch = asyncio.create_task(self._report_idle(running, follower, seconds))
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _report_idle(
        self, running: RunningBuild, follower: LogFollower, seconds: int
    ) -> None:
        await follower.until_idle(seconds)
        reached = ReachTimeLimit(
            build_id=running.build_id, attempt=running.attempt, limit="idle", seconds=seconds
        )
        await self._report(running, reached)

    async def _report(self, running: RunningBuild, report: BuildReport) -> None:
        """However long it takes: what happened must not be forgotten because nobody listened."""
        failures = 0
        while True:
            try:
                await self._reporter.report(
                    running.tenant, report, correlation_id=running.correlation_id
                )
            except (Refusal, CommandIdReused):
                return
            except DomainError as error:
                failures += 1
                log.warning("report to be made again", build=running.build_id, reason=str(error))
                await asyncio.sleep(backoff(failures))
            else:
                return


def _started(running: RunningBuild, at: datetime) -> RecordStepStarted:
    return RecordStepStarted(
        build_id=running.build_id,
        attempt=running.attempt,
        step=Step.IMAGE,
        round=1,
        engine_name="",
        image_id="",
        started_at=at,
    )


def _refused(running: RunningBuild, kept: StepLog) -> RecordBuildRefused:
    return RecordBuildRefused(
        build_id=running.build_id,
        attempt=running.attempt,
        step=Step.IMAGE,
        reason=wrote_too_much(Step.IMAGE, kept),
        log_tail=kept.tail,
    )


def _lost(running: RunningBuild, reason: str) -> RecordBuildErrored:
    return RecordBuildErrored(
        build_id=running.build_id,
        attempt=running.attempt,
        step=Step.IMAGE,
        reason=f"The image build broke off: {reason}",
        retryable=True,
    )
