"""Image builds: their limits, the loss of what runs them, and reports that must be made again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.memory.container_engine import Program
from domain.builds import events as e
from domain.builds.commands import CancelBuild, RetryBuild, SubmitBuild
from domain.builds.events import Step
from domain.builds.spec import BuildSpec, ImageSource, SourceFile
from domain.errors import ConcurrencyConflict, DomainError, EngineConflict, StoreUnavailable
from domain.event import DEFAULT_TENANT, Append, Receipt
from domain.ports import BuildOutput, ImageBuildRequest, LogFrame
from domain.processes.naming import image_network
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

STREAM = "build-b"
TAG = "eulermaker/builds/web:b"
SAID = "waiting for a mirror"
HANGS = Program(output=(LogFrame(stream="stdout", data=f"{SAID}\n".encode()),))
TRIES = 30  # more than the command handler makes by itself
ATTEMPT = ["StepStarted", "StepFinished", "ImageCreated", "Succeeded"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.processes.build_pipeline.FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr("api.workers.image_builds.backoff", _no_delay)


def _no_delay(_: int) -> float:
    return 0.0


async def _submit(at: Installation, *, idle_seconds: int = 900, wall_seconds: int = 3_600) -> None:
    context = SourceFile(name="context.tar", digest=await at.keep(b"context"), size=7)
    spec = BuildSpec(
        name="web",
        source=ImageSource(context=context),
        idle_seconds=idle_seconds,
        wall_seconds=wall_seconds,
    )
    await at.send(SubmitBuild(build_id="b", spec=spec, base_image="base:1"))


async def _hanging(at: Installation, **limits: int) -> None:
    at.engine.image_program = HANGS
    await _submit(at, **limits)
    await at.recorded(STREAM, e.BuildStepStarted)
    while not await at.logs.read(DEFAULT_TENANT, "build-b/1/image/1"):  # noqa: ASYNC110 - no signal
        await asyncio.sleep(0.005)
    assert at.engine.images.under_way == [TAG]


@pytest.mark.parametrize("limit", ["idle", "wall"])
def test_an_image_build_is_ended_within_two_seconds_of_its_limit(limit: str) -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            began = asyncio.get_running_loop().time()
            await _hanging(at, **{f"{limit}_seconds": 1})
            *_, timed_out = await at.recorded(STREAM, e.BuildTimedOut)
            took = asyncio.get_running_loop().time() - began
            assert at.engine.images.under_way == []
        assert 1.0 <= took < 3.0
        assert isinstance(timed_out, e.BuildTimedOut)
        assert (timed_out.limit, timed_out.seconds) == (limit, 1)
        assert (timed_out.step, timed_out.log_tail[-1]) == (Step.IMAGE, SAID)
        assert await at.running_builds.all() == []

    run(body)


def test_an_image_build_that_still_writes_is_not_idle() -> None:
    async def body(at: Installation) -> None:
        async def slow(
            request: ImageBuildRequest, context: AsyncIterator[bytes]
        ) -> AsyncIterator[BuildOutput]:
            del context
            for _ in range(4):
                await asyncio.sleep(0.5)
                yield BuildOutput(text="on\n")
            yield BuildOutput(image_id=at.engine.images.add(request.tag, {}, {}).image_id)

        at.engine.build_image = slow  # type: ignore[method-assign, assignment] # an iterator will do
        async with at.at_work():
            await _submit(at, idle_seconds=1)
            events = await at.recorded(STREAM, e.BuildSucceeded)
        assert names(events, "Build") == ["Submitted", *ATTEMPT]

    run(body)


@pytest.mark.parametrize(
    "error",
    [
        "The command 'echo returned a non-zero code: 0; exit 1' returned a non-zero code: 1",
        "dockerfile parse error line 2: unknown instruction: returned a non-zero code: 0",
    ],
)
def test_an_image_build_fails_with_the_code_that_the_engine_says_not_with_what_it_quotes(
    error: str,
) -> None:
    async def body(at: Installation) -> None:
        async def fails(
            request: ImageBuildRequest, context: AsyncIterator[bytes]
        ) -> AsyncIterator[BuildOutput]:
            del request, context
            yield BuildOutput(stream="stderr", error=error)

        at.engine.build_image = fails  # type: ignore[method-assign, assignment] # an iterator will do
        async with at.at_work():
            await _submit(at)
            *_, last = await at.recorded(STREAM, e.BuildStepFinished)
        assert isinstance(last, e.BuildFailed)
        assert last.exit_code == 1

    run(body)


def test_a_cancelled_image_build_ends_in_the_engine() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _hanging(at)
            await at.send(CancelBuild(build_id="b"))
            *_, cancelled = await at.recorded(STREAM, e.BuildCancelled)
            assert at.engine.images.under_way == []
        assert isinstance(cancelled, e.BuildCancelled)
        assert cancelled.log_tail[-1] == SAID

    run(body)


def test_no_attempt_leaves_its_network_behind_though_its_own_sweep_was_superseded() -> None:
    async def body(at: Installation) -> None:
        really_remove = at.engine.remove_network
        refused = asyncio.Event()

        async def in_use(name: str) -> None:
            refused.set()
            raise EngineConflict(f"The network {name} is in use")

        at.engine.remove_network = in_use  # type: ignore[method-assign] # by a step that still ends
        async with at.at_work():
            await _hanging(at)
            await at.send(CancelBuild(build_id="b"))
            await at.recorded(STREAM, e.BuildCancelled)
            await refused.wait()
            await at.send(RetryBuild(build_id="b"))
            await at.send(CancelBuild(build_id="b"))
            await at.recorded(STREAM, e.BuildCancelled, times=2)
            at.engine.remove_network = really_remove  # type: ignore[method-assign]
            await until(at.effects.is_empty)
        assert at.engine.networks == {}

    run(body)


def test_a_network_that_the_engine_makes_after_its_build_was_swept_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.workers.reconciler.FULL_LOOK_SECONDS", 0.05)

    async def body(at: Installation) -> None:
        asked: dict[str, dict[str, str]] = {}

        async def slow(name: str, *, labels: dict[str, str], hosts: int) -> None:
            del hosts
            asked[name] = labels
            await asyncio.Event().wait()

        really_ensure = at.engine.ensure_network
        at.engine.ensure_network = slow  # type: ignore[method-assign, assignment]
        async with at.at_work():
            await _submit(at)
            await until(lambda: asked != {})
            await at.send(CancelBuild(build_id="b"))
            await until(lambda: at.calls("remove_network") != [])
            at.engine.networks.update(asked)
            await until(lambda: at.engine.networks == {})
            at.engine.ensure_network = really_ensure  # type: ignore[method-assign]
            at.engine.image_program = HANGS
            await at.send(RetryBuild(build_id="b"))
            await until(lambda: at.engine.images.under_way != [])
            at.engine.networks.update(asked)
            await until(lambda: asked.keys().isdisjoint(at.engine.networks))
            assert list(at.engine.networks) == [image_network("b", 2)]

    run(body)


def test_an_image_build_that_loses_its_executors_lock_is_tried_again_and_never_runs_twice() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _hanging(at)
            at.lock.lost = True
            at.effects.written.set()
            events = await at.recorded(STREAM, e.BuildStepStarted, times=2)
            await until(lambda: at.engine.images.under_way != [])
            assert at.engine.images.under_way == [TAG]  # the first one is over
            (errored,) = [event for event in events if isinstance(event, e.BuildErrored)]
            assert errored.retryable
            assert "lost the database" in errored.reason
        assert names(events, "Build")[1:] == ["StepStarted", "Errored", "Retried", "StepStarted"]

    run(body)


def test_an_image_build_that_ended_with_its_process_is_tried_again() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _hanging(at)
        at.engine.image_program = Program(exit_code=0)
        at.wire()
        async with at.at_work():
            events = await at.recorded(STREAM, e.BuildSucceeded)
        assert names(events, "Build")[1:] == ["StepStarted", "Errored", "Retried", *ATTEMPT]
        assert await at.running_builds.all() == []

    run(body)


def _refuse_reports(
    at: Installation, error: DomainError, *, times: int, after_append: bool
) -> None:
    """Each report of the build fails so often, before it is recorded or after."""
    really_append = at.store.append
    tries: dict[str, int] = {}

    async def unreliable(append: Append) -> Receipt:
        command_id = append.context.command_id
        tries[command_id] = tries.get(command_id, 0) + 1
        is_report = command_id.startswith("observed:") and append.stream == STREAM
        fails = is_report and tries[command_id] <= times
        if fails and not after_append:
            raise error
        receipt = await really_append(append)
        if fails:
            raise error
        return receipt

    at.store.append = unreliable  # type: ignore[method-assign] # a database that comes and goes


@pytest.mark.parametrize("after_append", [False, True])
@pytest.mark.parametrize("error", [StoreUnavailable("away"), ConcurrencyConflict(STREAM, 1, 2)])
def test_what_became_of_an_image_is_recorded_once_however_often_it_is_reported(
    error: DomainError, *, after_append: bool
) -> None:
    async def body(at: Installation) -> None:
        _refuse_reports(at, error, times=TRIES, after_append=after_append)
        async with at.at_work():
            await _submit(at)
            events = await at.recorded(STREAM, e.BuildSucceeded)
        assert names(events, "Build") == ["Submitted", *ATTEMPT]
        assert await at.running_builds.all() == []

    run(body)
