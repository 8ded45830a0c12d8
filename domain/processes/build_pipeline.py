"""What a build does next. Every step waits for the event that ends the one before it."""

from domain.builds import events as e
from domain.builds.commands import ReachTimeLimit, RetryBuild
from domain.builds.events import Step
from domain.builds.spec import RpmSource
from domain.builds.state import Build
from domain.processes import effects as f
from domain.processes.effects import NOTHING, Planned, Reaction, do

MAX_AUTOMATIC_ATTEMPTS = 3
FIRST_RETRY_SECONDS = 5.0

BuildEnd = e.BuildSucceeded | e.BuildFailed | e.BuildErrored | e.BuildCancelled | e.BuildTimedOut


def react(event: e.BuildEvent, state: Build) -> Reaction:
    """state: of the build right after the event."""
    bid, attempt = state.build_id, event_attempt(event)
    match event:
        case e.BuildSubmitted() | e.BuildRetried():
            return _begin(state)
        case e.BuildStepStarted():
            return NOTHING
        case e.BuildStepFinished():
            return _after_step(event, state)
        case e.BuildRequirementsResolved(round=number):
            ensure = f.EnsureRoot(build_id=bid, attempt=attempt, step=Step.PREPARE, round=number)
            return do(ensure)
        case e.BuildRootPrepared():
            return do(_after_root(event, state))
        case e.BuildArtifactsCollected() | e.BuildImageCreated():
            return NOTHING
        case e.BuildCancelRequested() | e.BuildTimeLimitReached():
            return do(f.StopBuild(build_id=bid, attempt=attempt), supersedes=True)
        case (
            e.BuildSucceeded()
            | e.BuildFailed()
            | e.BuildErrored()
            | e.BuildCancelled()
            | e.BuildTimedOut()
        ):
            return _end(event, state)


def event_attempt(event: e.BuildEvent) -> int:
    return 1 if isinstance(event, e.BuildSubmitted) else event.attempt


def _begin(state: Build) -> Reaction:
    bid, attempt, seconds = state.build_id, state.attempt, state.spec.wall_seconds
    first: f.BuildEffects = f.StartImageBuild(build_id=bid, attempt=attempt)
    if isinstance(state.spec.source, RpmSource):
        first = f.EnsureRoot(build_id=bid, attempt=attempt, step=Step.TOOLCHAIN, round=1)
    limit = ReachTimeLimit(build_id=bid, attempt=attempt, limit="wall", seconds=seconds)
    timer = Planned(effect=f.SendCommand(command=limit), delay_seconds=seconds)
    return Reaction(effects=(Planned(effect=first), timer))


def _after_step(event: e.BuildStepFinished, state: Build) -> Reaction:
    if event.exit_code != 0 or event.out_of_memory or state.ended:
        return NOTHING
    bid, attempt = state.build_id, event.attempt
    match event.step:
        case Step.TOOLCHAIN | Step.PREPARE:
            effect: f.BuildEffects = f.CommitRoot(
                build_id=bid, attempt=attempt, step=event.step, round=event.round
            )
        case Step.RESOLVE:
            effect = f.ReadRequirements(build_id=bid, attempt=attempt, round=event.round)
        case Step.RPMBUILD:
            effect = f.CollectArtifacts(build_id=bid, attempt=attempt)
        case Step.IMAGE:
            return NOTHING
    return do(effect)


def _after_root(event: e.BuildRootPrepared, state: Build) -> f.RunStep:
    bid, attempt = state.build_id, event.attempt
    if event.step is Step.TOOLCHAIN:
        return f.RunStep(build_id=bid, attempt=attempt, step=Step.RESOLVE, round=1)
    final = state.requirements is not None and state.requirements.final
    if not final:
        return f.RunStep(build_id=bid, attempt=attempt, step=Step.RESOLVE, round=event.round + 1)
    return f.RunStep(build_id=bid, attempt=attempt, step=Step.RPMBUILD, round=1)


def _end(event: BuildEnd, state: Build) -> Reaction:
    bid, attempt = state.build_id, event.attempt
    sweep = f.SweepBuild(build_id=bid, attempt=attempt)
    retryable = isinstance(event, e.BuildErrored) and event.retryable
    if not retryable or attempt >= MAX_AUTOMATIC_ATTEMPTS:
        return do(sweep, supersedes=True)
    retry = f.SendCommand(command=RetryBuild(build_id=bid, attempt=attempt))
    delay = FIRST_RETRY_SECONDS * 2 ** (attempt - 1)
    later = Planned(effect=retry, delay_seconds=delay)
    return Reaction(effects=(Planned(effect=sweep), later), supersedes=True)
