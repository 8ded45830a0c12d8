"""What a build's present phase allows, and which events follow.

Reports come from machines and may be late or repeated: one that does not fit the present
attempt and phase records nothing.
"""

import msgspec

from domain.builds import commands as c
from domain.builds import events as e
from domain.builds.diagnosis import diagnose
from domain.builds.spec import RpmSource
from domain.builds.state import STEP_PHASE, Build, Phase
from domain.errors import Refusal, UnknownStream

Events = tuple[e.BuildEvent, ...]

MAX_ROUNDS = 10
RETRYABLE = frozenset({Phase.FAILED, Phase.ERRORED, Phase.TIMED_OUT, Phase.CANCELLED})


def decide(command: c.BuildCommand, state: Build | None) -> Events:
    """The events that the command causes. Raises Refusal or UnknownStream."""
    if isinstance(command, c.SubmitBuild):
        return _submit(command, state)
    if state is None:
        raise UnknownStream(f"build {command.build_id}")
    if isinstance(command, c.CancelBuild):
        return _cancel(command, state)
    if isinstance(command, c.RetryBuild):
        return _retry(command, state)
    if state.ended or command.attempt != state.attempt:
        return ()
    if isinstance(command, c.RecordBuildStopped):
        return _stopped(command, state)
    if state.phase is Phase.STOPPING:
        return ()
    return _report(command, state)


def _submit(command: c.SubmitBuild, state: Build | None) -> Events:
    if state is not None:
        raise Refusal(
            rule="build-id-is-new",
            state=state.phase,
            advice=f"Build {command.build_id} exists already. Choose another id.",
        )
    names = _file_names(command)
    if len(set(names)) != len(names):
        raise Refusal(
            rule="file-names-are-unique",
            state="new",
            advice="Two files of the build have the same name. Rename one.",
        )
    return (
        e.BuildSubmitted(
            build_id=command.build_id, spec=command.spec, base_image=command.base_image
        ),
    )


def _file_names(command: c.SubmitBuild) -> list[str]:
    source = command.spec.source
    return [f.name for f in source.sources] if isinstance(source, RpmSource) else []


def _cancel(command: c.CancelBuild, state: Build) -> Events:
    if state.ended:
        raise Refusal(
            rule="cancel-needs-a-build-under-way",
            state=state.phase,
            advice=f"Build {state.build_id} has ended already ({state.phase}).",
        )
    if state.phase is Phase.STOPPING:
        return ()
    return (
        e.BuildCancelRequested(
            build_id=state.build_id, attempt=state.attempt, reason=command.reason
        ),
    )


def _retry(command: c.RetryBuild, state: Build) -> Events:
    if state.phase not in RETRYABLE:
        instead = "Submit a new build instead" if state.ended else "Wait for its end, or cancel it"
        raise Refusal(
            rule="retry-needs-an-ended-build-without-success",
            state=state.phase,
            advice=f"Build {state.build_id} is {state.phase}. {instead}.",
        )
    if command.attempt is not None and command.attempt != state.attempt:
        return ()
    return (
        e.BuildRetried(
            build_id=state.build_id,
            attempt=state.attempt + 1,
            spec=state.spec,
            base_image=state.base_image,
        ),
    )


def _stopped(command: c.RecordBuildStopped, state: Build) -> Events:
    if state.phase is not Phase.STOPPING:
        return ()
    tail = command.log_tail or state.log_tail
    if state.limit_reached is None:
        return (
            e.BuildCancelled(
                build_id=state.build_id, attempt=state.attempt, step=state.step, log_tail=tail
            ),
        )
    limit, seconds = state.limit_reached
    return (
        e.BuildTimedOut(
            build_id=state.build_id,
            attempt=state.attempt,
            limit=limit,
            seconds=seconds,
            step=state.step,
            log_tail=tail,
        ),
    )


def _report(command: c.BuildReport, state: Build) -> Events:
    bid, attempt = state.build_id, state.attempt
    match command:
        case c.RecordStepStarted():
            return _step_started(command, state)
        case c.RecordStepFinished():
            return _step_finished(command, state)
        case c.RecordRequirementsResolved():
            return _resolved(command, state)
        case c.RecordBuildRootPrepared():
            return _root_prepared(command, state)
        case c.RecordArtifactsCollected(artifacts=artifacts):
            if state.phase is not Phase.COLLECTING:
                return ()
            return (
                e.BuildArtifactsCollected(build_id=bid, attempt=attempt, artifacts=artifacts),
                e.BuildSucceeded(build_id=bid, attempt=attempt),
            )
        case c.RecordImageCreated():
            if (state.phase, state.step) != (Phase.BUILDING, e.Step.IMAGE):
                return ()
            return (
                e.BuildImageCreated(
                    build_id=bid,
                    attempt=attempt,
                    image_id=command.image_id,
                    image=command.image,
                    size=command.size,
                ),
                e.BuildSucceeded(build_id=bid, attempt=attempt),
            )
        case c.RecordBuildStopped():
            return ()
        case c.RecordBuildRefused(step=step, reason=reason, log_tail=tail):
            return (
                e.BuildFailed(
                    build_id=bid,
                    attempt=attempt,
                    step=step,
                    exit_code=None,
                    reason=reason,
                    log_tail=tail,
                ),
            )
        case c.RecordBuildErrored(step=step, reason=reason, retryable=retryable):
            return (
                e.BuildErrored(
                    build_id=bid, attempt=attempt, step=step, reason=reason, retryable=retryable
                ),
            )
        case c.ReachTimeLimit(limit=limit, seconds=seconds):
            return (
                e.BuildTimeLimitReached(
                    build_id=bid, attempt=attempt, limit=limit, seconds=seconds
                ),
            )


def _step_started(command: c.RecordStepStarted, state: Build) -> Events:
    if (command.step, command.round) != next_step(state):
        return ()
    return (
        e.BuildStepStarted(
            build_id=state.build_id,
            attempt=state.attempt,
            step=command.step,
            round=command.round,
            engine_name=command.engine_name,
            image_id=command.image_id,
            started_at=command.started_at,
        ),
    )


def next_step(state: Build) -> tuple[e.Step, int] | None:
    """The one step that may begin now."""
    match state.phase:
        case Phase.SUBMITTED:
            rpm = isinstance(state.spec.source, RpmSource)
            return (e.Step.TOOLCHAIN if rpm else e.Step.IMAGE, 1)
        case Phase.RESOLVING if state.toolchain is not None:
            again = state.requirements is not None
            begun = not again and state.step is e.Step.RESOLVE
            return None if begun else (e.Step.RESOLVE, state.round + 1 if again else 1)
        case Phase.PREPARING if state.step is e.Step.RESOLVE:
            return (e.Step.PREPARE, state.round)
        case Phase.BUILDING if state.root is not None and state.step is not e.Step.RPMBUILD:
            return (e.Step.RPMBUILD, 1)
        case _:
            return None


def _step_finished(command: c.RecordStepFinished, state: Build) -> Events:
    under_way = state.phase is STEP_PHASE[command.step] and not state.step_ended
    if not under_way or (state.step, state.round) != (command.step, command.round):
        return ()
    finished = e.BuildStepFinished(
        build_id=state.build_id,
        attempt=state.attempt,
        step=command.step,
        round=command.round,
        exit_code=command.exit_code,
        out_of_memory=command.out_of_memory,
        finished_at=command.finished_at,
        log=command.log,
    )
    if command.exit_code == 0 and not command.out_of_memory:
        return (finished,)
    return (finished, _failure(command, state))


def _failure(command: c.RecordStepFinished, state: Build) -> e.BuildFailed | e.BuildErrored:
    diagnosis = diagnose(
        command.step,
        command.exit_code,
        command.log,
        out_of_memory=command.out_of_memory,
        memory_bytes=state.spec.limits.memory_bytes,
    )
    if not diagnosis.user_fault:
        return e.BuildErrored(
            build_id=state.build_id,
            attempt=state.attempt,
            step=command.step,
            reason=diagnosis.reason,
            retryable=diagnosis.retryable,
            log_tail=command.log.tail,
            exit_code=command.exit_code,
        )
    return e.BuildFailed(
        build_id=state.build_id,
        attempt=state.attempt,
        step=command.step,
        exit_code=command.exit_code,
        reason=diagnosis.reason,
        phase=diagnosis.phase,
        log_tail=command.log.tail,
        unresolved=diagnosis.unresolved,
    )


def _resolved(command: c.RecordRequirementsResolved, state: Build) -> Events:
    asked = (Phase.RESOLVING, e.Step.RESOLVE, command.round)
    if (state.phase, state.step, state.round) != asked:
        return ()
    known = () if state.requirements is None else state.requirements.missing
    missing = tuple(sorted({*known, *command.requirements.missing}))
    requirements = msgspec.structs.replace(command.requirements, missing=missing)
    resolved = e.BuildRequirementsResolved(
        build_id=state.build_id,
        attempt=state.attempt,
        round=command.round,
        requirements=requirements,
    )
    if requirements.final or command.round < MAX_ROUNDS:
        return (resolved,)
    endless = e.BuildFailed(
        build_id=state.build_id,
        attempt=state.attempt,
        step=e.Step.RESOLVE,
        exit_code=None,
        reason=f"After {MAX_ROUNDS} rounds %generate_buildrequires still asks for more.",
    )
    return (resolved, endless)


def _root_prepared(command: c.RecordBuildRootPrepared, state: Build) -> Events:
    if not _awaits_root(command, state):
        return ()
    return (
        e.BuildRootPrepared(
            build_id=state.build_id,
            attempt=state.attempt,
            step=command.step,
            round=command.round,
            key=command.key,
            image=command.image,
            image_id=command.image_id,
            packages_digest=command.packages_digest,
            reused=command.reused,
        ),
    )


def _awaits_root(command: c.RecordBuildRootPrepared, state: Build) -> bool:
    if command.step is e.Step.TOOLCHAIN:
        beginning = state.phase in {Phase.SUBMITTED, Phase.RESOLVING}
        return beginning and state.toolchain is None
    return state.phase is Phase.PREPARING and command.round == state.round
