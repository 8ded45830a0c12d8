"""Finds build steps whose container is gone: somebody removed it, or the engine lost it."""

from collections.abc import Set as AbstractSet

from api.workers.observations import Reporter
from domain.application.aggregates import BUILDS
from domain.application.command_handler import CommandHandler
from domain.builds.commands import RecordBuildErrored
from domain.builds.state import STEP_PHASE, Build
from domain.ports import ContainerEngine
from domain.processes import naming
from projections.build_rows import SteppingBuild


class LostSteps:
    def __init__(
        self, engine: ContainerEngine, handler: CommandHandler, reporter: Reporter
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._reporter = reporter

    async def observe(self, stepping: SteppingBuild, present: AbstractSet[str]) -> None:
        """present: names that the engine listed after `stepping` was read."""
        loaded = await self._handler.load(BUILDS, stepping.tenant, stepping.build_id)
        build = loaded.state
        if not isinstance(build, Build) or build.step is None or build.step_ended:
            return
        if build.phase is not STEP_PHASE[build.step]:
            return
        name = naming.step_name(build.build_id, build.attempt, build.step, build.round)
        if name in present or await self._engine.inspect(name) is not None:
            return
        lost = RecordBuildErrored(
            build_id=build.build_id,
            attempt=build.attempt,
            step=build.step,
            reason=f"The container of step {build.step} was removed by somebody outside.",
            retryable=True,
        )
        await self._reporter.report(stepping.tenant, lost)
