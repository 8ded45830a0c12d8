"""What holds for a container whatever is asked and reported, in whatever order."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.catalog import EVENT_TYPES
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.decide import decide
from domain.containers.state import OBSERVED_STATUS, Container, Status, evolve
from domain.errors import DomainError, Refusal, UnknownStream
from tests.support.containers import CID, MORE, SPEC, at, created

INTENTS = st.integers(1, 12)
MOMENTS = st.integers(0, 30).map(at)


def outcomes(intent: int) -> st.SearchStrategy[c.ContainerOutcome]:
    at_times = [
        st.builds(kind, container_id=st.just(CID), intent=st.just(intent), started_at=MOMENTS)
        for kind in (c.RecordContainerStarted, c.RecordContainerRestarted)
    ]
    plain = [
        st.builds(kind, container_id=st.just(CID), intent=st.just(intent))
        for kind in (
            c.RecordContainerPaused,
            c.RecordContainerUnpaused,
            c.RecordContainerRemoved,
            c.RecordContainerOperationSuperseded,
        )
    ]
    return st.one_of(
        st.just(created(intent)),
        *at_times,
        *plain,
        st.builds(
            c.RecordContainerStopped,
            container_id=st.just(CID),
            intent=st.just(intent),
            exit_code=st.none() | st.just(0),
            finished_at=st.none() | MOMENTS,
        ),
        st.builds(
            c.RecordContainerKilled,
            container_id=st.just(CID),
            intent=st.just(intent),
            signal=st.just("HUP"),
        ),
        st.builds(
            c.RecordContainerLimitsChanged,
            container_id=st.just(CID),
            intent=st.just(intent),
            limits=st.just(MORE),
        ),
        st.builds(
            c.RecordContainerOperationFailed,
            container_id=st.just(CID),
            intent=st.just(intent),
            reason=st.just("no"),
            unknown=st.booleans(),
        ),
    )


USER = st.sampled_from(
    (
        c.RequestContainer(container_id=CID, spec=SPEC),
        c.RequestContainer(container_id=CID, spec=SPEC, start=False),
        c.StartContainer(container_id=CID),
        c.StopContainer(container_id=CID),
        c.RestartContainer(container_id=CID),
        c.PauseContainer(container_id=CID),
        c.UnpauseContainer(container_id=CID),
        c.KillContainer(container_id=CID),
        c.RenameContainer(container_id=CID, name="other"),
        c.ChangeContainerLimits(container_id=CID, limits=MORE),
        c.RemoveContainer(container_id=CID),
        c.RemoveContainer(container_id=CID, force=True),
    )
)
SEEN = st.one_of(
    st.builds(
        c.ObserveContainerExit,
        container_id=st.just(CID),
        exit_code=st.just(1),
        out_of_memory=st.booleans(),
        finished_at=MOMENTS,
    ),
    st.builds(
        c.ObserveContainerState,
        container_id=st.just(CID),
        status=st.sampled_from((*OBSERVED_STATUS, "removing")),
    ),
    st.just(c.ObserveContainerGone(container_id=CID)),
)
ERASED = st.just(c.RecordContainerSecretsErased(container_id=CID, references=("secret-1",)))
COMMANDS = st.lists(USER | SEEN | ERASED | INTENTS.flatmap(outcomes), max_size=40)
IN_PROGRESS = {Status.STARTING, Status.STOPPING, Status.PAUSING, Status.UNPAUSING, Status.REMOVING}


def history(commands: list[c.ContainerCommand]) -> tuple[Container | None, list[e.ContainerEvent]]:
    state: Container | None = None
    events: list[e.ContainerEvent] = []
    for command in commands:
        try:
            decided = decide(command, state)
        except (Refusal, UnknownStream):
            continue
        state = reduce(evolve, decided, state)
        events += decided
    return state, events


@given(COMMANDS)
def test_every_event_counts_in_the_version_and_the_fold_gives_the_same_again(
    commands: list[c.ContainerCommand],
) -> None:
    state, events = history(commands)
    assert (state.version if state else 0) == len(events)
    assert reduce(evolve, events, None) == state


def intent_of(event: e.ContainerEvent) -> int | None:
    """Of the outcomes, which name one."""
    return getattr(event, "intent", None)


@given(COMMANDS)
def test_an_outcome_is_recorded_at_most_once_for_each_intent(
    commands: list[c.ContainerCommand],
) -> None:
    _, events = history(commands)
    concluded = [intent for event in events if (intent := intent_of(event)) is not None]
    assert len(concluded) == len(set(concluded))
    asked = {n for n, event in enumerate(events, 1) if isinstance(event, e.ContainerIntent)}
    assert set(concluded) <= asked


@given(COMMANDS)
def test_what_waits_is_exactly_what_was_asked_and_not_answered(
    commands: list[c.ContainerCommand],
) -> None:
    state, events = history(commands)
    if state is None:
        return
    asked = [n for n, event in enumerate(events, 1) if isinstance(event, e.ContainerIntent)]
    answered = {intent_of(event) for event in events}
    waiting = [intent for intent in asked if intent not in answered]
    removed = state.status is Status.REMOVED
    assert [op.intent for op in state.operations] == ([] if removed else waiting)


@given(COMMANDS)
def test_a_status_in_progress_has_an_operation_that_will_end_it(
    commands: list[c.ContainerCommand],
) -> None:
    state, _ = history(commands)
    if state is not None and state.status in IN_PROGRESS:
        assert state.operations


@given(COMMANDS)
def test_once_everything_is_answered_nothing_is_in_progress(
    commands: list[c.ContainerCommand],
) -> None:
    state, _ = history(commands)
    while state is not None and state.operations:
        answer = c.RecordContainerOperationSuperseded(
            container_id=CID, intent=state.operations[-1].intent
        )
        state = reduce(evolve, decide(answer, state), state)
    assert state is None or state.status not in IN_PROGRESS


@given(COMMANDS)
def test_a_removed_container_stays_removed(commands: list[c.ContainerCommand]) -> None:
    state, events = history(commands)
    statuses = [reduce(evolve, events[:n], None) for n in range(1, len(events) + 1)]
    removed = [each for each in statuses if each and each.status is Status.REMOVED]
    assert len(removed) <= 1 or state == removed[-1]
    assert not removed or (state is not None and state.status is Status.REMOVED)


@given(COMMANDS)
def test_the_erasure_of_secrets_is_recorded_once_and_changes_nothing_else(
    commands: list[c.ContainerCommand],
) -> None:
    _, events = history(commands)
    erasures = [n for n, event in enumerate(events) if isinstance(event, e.ContainerSecretsErased)]
    assert len(erasures) <= 1
    for n in erasures:
        before, after = reduce(evolve, events[:n], None), reduce(evolve, events[: n + 1], None)
        assert before is not None
        expected = replace(before, version=before.version + 1, secrets_erased=True)
        assert after == expected


@given(COMMANDS)
def test_every_decided_event_is_read_back_as_it_was_written(
    commands: list[c.ContainerCommand],
) -> None:
    _, events = history(commands)
    for event in events:
        name, data = type(event).__name__, EVENT_TYPES.encode(event)
        assert EVENT_TYPES.decode(name, event.schema_version, data) == event


@given(COMMANDS, USER | SEEN | INTENTS.flatmap(outcomes))
def test_a_decision_is_the_same_each_time_and_a_refusal_is_one_of_ours(
    commands: list[c.ContainerCommand], command: c.ContainerCommand
) -> None:
    state, _ = history(commands)

    def decided() -> object:
        try:
            return decide(command, state)
        except DomainError as error:
            return str(error)

    assert decided() == decided()
