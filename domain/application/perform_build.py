"""Carries out the effects of builds, and says what to report of them."""

from contextlib import suppress

from domain.application.aggregates import BUILDS
from domain.application.build_results import BuildResults
from domain.application.build_roots import BuildRoots
from domain.application.build_steps import BuildSettings, BuildSteps
from domain.application.command_handler import CommandHandler
from domain.application.log_tail import read_tail
from domain.application.tar_stream import BrokenArchive
from domain.builds import commands as c
from domain.builds.events import Step
from domain.builds.spec import ImageSource
from domain.builds.state import Build, Phase
from domain.errors import (
    BlobDamaged,
    BlobMissing,
    ContainerNotFound,
    EngineConflict,
    EngineRefused,
    ImageNotFound,
)
from domain.ports import (
    BlobStore,
    ClaimedEffect,
    ContainerEngine,
    ImageBuilds,
    LogStore,
    RunningBuild,
)
from domain.processes import effects as f
from domain.processes import naming

STOPPED_LINES = 20
RUNNING = frozenset({"running", "paused", "restarting"})


class BuildPerformer:
    """Safe to run twice for one effect: containers and images are found again by their names."""

    def __init__(
        self,
        *,
        engine: ContainerEngine,
        handler: CommandHandler,
        blobs: BlobStore,
        logs: LogStore,
        image_builds: ImageBuilds,
        settings: BuildSettings,
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._logs = logs
        self._image_builds = image_builds
        self._steps = BuildSteps(engine, blobs, settings)
        self._roots = BuildRoots(engine, self._steps, settings)
        self._results = BuildResults(engine, blobs, settings)

    async def perform(self, claimed: ClaimedEffect, effect: f.BuildEffects) -> c.BuildReport | None:
        """The report to record, None where there is nothing to tell.

        Raises EngineUnavailable or EngineOutcomeUnknown: try again.
        """
        if claimed.superseded:
            return None
        loaded = await self._handler.load(BUILDS, claimed.tenant, effect.build_id)
        build = loaded.state
        if not isinstance(build, Build):
            raise TypeError(f"{claimed.stream} has effects but no events")
        if not isinstance(effect, f.StopBuild | f.SweepBuild) and _overtaken(effect, build):
            return None
        try:
            return await self._call(claimed, effect, build)
        except ImageNotFound as error:
            return _base_image_missing(effect, build, error)
        except EngineRefused as error:
            if isinstance(effect, f.StopBuild | f.SweepBuild):
                raise  # nothing but these ends a build that is being stopped: try again
            lost = isinstance(error, ContainerNotFound)  # the next attempt makes its own
            return _errored(effect, build, str(error), retryable=lost)
        except (BrokenArchive, BlobMissing, BlobDamaged) as error:
            return _errored(effect, build, str(error), retryable=isinstance(error, BrokenArchive))

    async def _call(
        self, claimed: ClaimedEffect, effect: f.BuildEffects, build: Build
    ) -> c.BuildReport | None:
        match effect:
            case f.EnsureRoot():
                return await self._roots.ensure(claimed, effect, build)
            case f.CommitRoot():
                return await self._roots.commit(claimed, effect, build)
            case f.RunStep():
                return await self._steps.run(claimed, effect, build)
            case f.ReadRequirements():
                return await self._results.read_requirements(effect, build)
            case f.CollectArtifacts():
                return await self._results.collect(claimed, effect, build)
            case f.StartImageBuild():
                return await self._start_image_build(claimed, effect, build)
            case f.StopBuild():
                return await self._stop(claimed, effect, build)
            case f.SweepBuild():
                await self._sweep(claimed, effect, build)
                return None

    async def _start_image_build(
        self, claimed: ClaimedEffect, effect: f.StartImageBuild, build: Build
    ) -> c.RecordStepStarted:
        running = RunningBuild(
            tenant=claimed.tenant,
            build_id=effect.build_id,
            attempt=effect.attempt,
            correlation_id=claimed.correlation_id,
        )
        at = await self._image_builds.start(running, build.spec)
        return c.RecordStepStarted(
            build_id=effect.build_id,
            attempt=effect.attempt,
            step=Step.IMAGE,
            round=1,
            engine_name="",
            image_id="",
            started_at=at,
        )

    async def _stop(
        self, claimed: ClaimedEffect, effect: f.StopBuild, build: Build
    ) -> c.RecordBuildStopped:
        await self._image_builds.cancel(effect.build_id, effect.attempt)
        found = await self._engine.list(self._steps.labels(claimed, effect.attempt))
        running = {each.name for each in found.containers if each.status in RUNNING}
        for name in running | found.unseen:
            with suppress(ContainerNotFound, EngineConflict):  # it has ended meanwhile
                await self._engine.kill(name, signal="KILL")
        return c.RecordBuildStopped(
            build_id=effect.build_id,
            attempt=effect.attempt,
            log_tail=await self._log_tail(claimed.tenant, build),
        )

    async def _log_tail(self, tenant: str, build: Build) -> tuple[str, ...]:
        if build.step is None:
            return ()
        subject = naming.step_log(build.build_id, build.attempt, build.step, build.round)
        return await read_tail(self._logs, tenant, subject, lines=STOPPED_LINES)

    async def _sweep(self, claimed: ClaimedEffect, effect: f.SweepBuild, build: Build) -> None:
        found = await self._engine.list(self._steps.labels(claimed, effect.attempt))
        for name in found.names:
            await self._engine.remove(name, force=True)
        if isinstance(build.spec.source, ImageSource):
            for attempt in range(1, effect.attempt + 1):  # sweeps before may be superseded
                await self._engine.remove_network(naming.image_network(effect.build_id, attempt))


def _overtaken(effect: f.BuildEffects, build: Build) -> bool:
    """The build has ended or is being stopped, and nobody has superseded the effect yet."""
    return build.ended or build.phase is Phase.STOPPING or effect.attempt != build.attempt


def _base_image_missing(
    effect: f.BuildEffects, build: Build, error: ImageNotFound
) -> c.BuildReport:
    """Whose fault depends on who chose the image. One that was here already can be had again."""
    was_here = build.toolchain is not None or isinstance(effect, f.CommitRoot)
    if was_here or build.spec.base_image is None:
        return _errored(effect, build, str(error), retryable=was_here)
    return c.RecordBuildRefused(
        build_id=effect.build_id,
        attempt=effect.attempt,
        step=Step.TOOLCHAIN,
        reason=f"{error}. Choose another base_image.",
    )


def _errored(
    effect: f.BuildEffects, build: Build, reason: str, *, retryable: bool
) -> c.RecordBuildErrored:
    return c.RecordBuildErrored(
        build_id=effect.build_id,
        attempt=effect.attempt,
        step=build.step,
        reason=reason,
        retryable=retryable,
    )
