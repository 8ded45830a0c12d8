"""Watches the containers of build steps: keeps their logs, reports their ends, and those that are
idle or write more than is kept."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet

import structlog

from api.workers.log_follower import FollowerFactory, LogFollower
from api.workers.observations import Reporter
from api.workers.whole_log import WholeLog
from domain.application.aggregates import BUILDS
from domain.application.command_handler import CommandHandler
from domain.builds.commands import ReachTimeLimit, RecordBuildRefused, RecordStepFinished
from domain.builds.decide import next_step
from domain.builds.diagnosis import wrote_too_much
from domain.builds.events import Step, StepLog
from domain.builds.state import Build
from domain.errors import DomainError
from domain.ports import ContainerEngine, EngineContainer, EngineNetwork
from domain.processes import naming

SWEEP_AFTER_SECONDS = 10.0
START_UNRECORDED_SECONDS = 0.05  # the executor is about to record it

log = structlog.get_logger(__name__)


class Following:
    """The log of one step's container, being kept."""

    def __init__(
        self, source: WholeLog, follower: LogFollower, task: asyncio.Task[StepLog]
    ) -> None:
        self.source = source
        self.follower = follower
        self.task = task
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def quiet_seconds(self) -> float:
        return asyncio.get_running_loop().time() - self.follower.last_output

    @property
    def cut_off(self) -> StepLog | None:
        """The log, where the step wrote more than is kept."""
        ended = self.task.done() and not self.task.cancelled() and not self.task.exception()
        return self.task.result() if ended and self.follower.reached_limit else None

    def tell_when_idle(self, seconds: float, tell: Callable[[], None]) -> None:
        """At the second, however rarely somebody looks; the engine is not asked for it."""
        if self._alarm is None:
            at = self.follower.last_output + seconds
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_at(at, self._ring, seconds, tell)

    def cancel(self) -> None:
        self.task.cancel()
        if self._alarm is not None:
            self._alarm.cancel()

    def _ring(self, seconds: float, tell: Callable[[], None]) -> None:
        self._alarm = None
        if self.task.done():
            return
        if self.quiet_seconds >= seconds:
            tell()
        else:
            self.tell_when_idle(seconds, tell)


class StepObserver:
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
        self._following: dict[str, Following] = {}
        self._stale: dict[str, float] = {}
        self.on_end: Callable[[str], None] = lambda _: None
        """Told the container whose log has come to its end or rests: it is worth a look now."""

    async def observe(self, container: EngineContainer) -> None:
        labels = container.labels
        build_id = labels[naming.AGGREGATE].partition("-")[2]
        loaded = await self._handler.load(BUILDS, labels[naming.TENANT], build_id)
        build = loaded.state
        if not isinstance(build, Build):
            log.warning("container of an unknown build", container=container.name)
            return
        attempt = int(labels[naming.GENERATION])
        if build.ended or attempt != build.attempt:
            await self._sweep_late(container)
            return
        if container.started_at is None:
            return
        following = self._follow(container, build, attempt)
        if container.status == "exited":
            following.source.container_has_ended()
        if following.cut_off is not None:
            await self._refuse_log(container, build, following.cut_off)
        elif container.status == "exited":
            await self._report_end(container, build, following)
        else:
            await self._end_if_idle(container, build, following)

    async def observe_network(self, network: EngineNetwork) -> None:
        """Of an image build. The engine may have made it when the build had been swept."""
        build_id = network.labels[naming.AGGREGATE].partition("-")[2]
        loaded = await self._handler.load(BUILDS, network.labels[naming.TENANT], build_id)
        build = loaded.state
        if not isinstance(build, Build):
            return
        if build.ended or network.name != naming.image_network(build_id, build.attempt):
            await self._engine.remove_network(network.name)

    def forget_all_but(self, names: AbstractSet[str]) -> None:
        """Of containers that the engine no longer has nothing is left to follow or to sweep."""
        gone = [name for name in self._following if name not in names]
        for name in gone:
            if self._following[name].task.done():
                del self._following[name]
            else:
                self._following[name].source.container_has_ended()
        self._stale = {name: since for name, since in self._stale.items() if name in names}

    async def stop(self) -> None:
        followed = list(self._following.values())
        self._following.clear()
        for following in followed:
            following.cancel()
        await asyncio.gather(*(each.task for each in followed), return_exceptions=True)

    async def _sweep_late(self, container: EngineContainer) -> None:
        """What was made for a build after its own sweep, which is given the time to come first."""
        now = asyncio.get_running_loop().time()
        if now - self._stale.setdefault(container.name, now) < SWEEP_AFTER_SECONDS:
            return
        del self._stale[container.name]
        following = self._following.pop(container.name, None)
        if following is not None:
            following.cancel()
        await self._engine.remove(container.name, force=True)

    def _follow(self, container: EngineContainer, build: Build, attempt: int) -> Following:
        following = self._following.get(container.name)
        if following is not None and not _failed(following.task):
            return following
        step = Step(container.labels[naming.STEP])
        subject = naming.step_log(
            build.build_id, attempt, step, int(container.labels[naming.ROUND])
        )
        follower = self._followers(container.labels[naming.TENANT], subject)
        source = WholeLog(self._engine, container.name)
        task = asyncio.create_task(follower.follow(source.frames()), name=f"log {container.name}")
        task.add_done_callback(lambda ended: self._tell(container.name, ended))
        self._following[container.name] = Following(source, follower, task)
        return self._following[container.name]

    def _tell(self, name: str, ended: asyncio.Task[StepLog]) -> None:
        """One that broke off is begun anew at the next look at everything, not at once."""
        if not ended.cancelled() and ended.exception() is None:
            self.on_end(name)

    async def _report_end(
        self, container: EngineContainer, build: Build, following: Following
    ) -> None:
        """Only once the whole log is kept: the end of a step says what its log was."""
        if not following.task.done() or _failed(following.task):
            return
        if container.exit_code is None or container.finished_at is None:
            return
        step, number = Step(container.labels[naming.STEP]), int(container.labels[naming.ROUND])
        if next_step(build) == (step, number):
            loop = asyncio.get_running_loop()
            loop.call_later(START_UNRECORDED_SECONDS, self.on_end, container.name)
            return
        await self._reporter.report(
            container.labels[naming.TENANT],
            RecordStepFinished(
                build_id=build.build_id,
                attempt=build.attempt,
                step=step,
                round=number,
                exit_code=container.exit_code,
                out_of_memory=container.out_of_memory,
                finished_at=container.finished_at,
                log=following.task.result(),
            ),
            correlation_id=container.labels.get(naming.CORRELATION),
        )

    async def _refuse_log(self, container: EngineContainer, build: Build, kept: StepLog) -> None:
        """Whether it still writes or has just ended: which of them would be a matter of luck."""
        step = Step(container.labels[naming.STEP])
        refused = RecordBuildRefused(
            build_id=build.build_id,
            attempt=build.attempt,
            step=step,
            reason=wrote_too_much(step, kept),
            log_tail=kept.tail,
        )
        await self._reporter.report(container.labels[naming.TENANT], refused)

    async def _end_if_idle(
        self, container: EngineContainer, build: Build, following: Following
    ) -> None:
        seconds = build.spec.idle_seconds
        if following.quiet_seconds < seconds:
            following.tell_when_idle(seconds, lambda: self.on_end(container.name))
            return
        limit = ReachTimeLimit(
            build_id=build.build_id, attempt=build.attempt, limit="idle", seconds=seconds
        )
        await self._reporter.report(container.labels[naming.TENANT], limit)


def _failed(task: asyncio.Task[StepLog]) -> bool:
    if not task.done():
        return False
    if task.cancelled():
        return True
    error = task.exception()
    if error is not None:
        known = isinstance(error, DomainError)
        log.warning("log broke off", task=task.get_name(), exc_info=None if known else error)
    return error is not None
