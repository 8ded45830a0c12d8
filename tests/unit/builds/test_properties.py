"""What holds for a build whatever is asked and reported, in whatever order."""

import itertools
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from domain.builds import commands as c
from domain.builds import events as e
from domain.builds.decide import decide
from domain.builds.events import Step
from domain.builds.state import Build, Phase, evolve
from domain.catalog import EVENT_TYPES
from domain.errors import Refusal, UnknownStream
from tests.support.builds import (
    BID,
    CANCEL,
    RETRY,
    SUBMIT,
    SUBMIT_IMAGE,
    began,
    collected,
    ended,
    errored,
    image_created,
    resolved,
    rooted,
    stopped,
    time_limit,
    to_rpmbuild,
)

ATTEMPTS = st.integers(1, 3)
ROUNDS = st.integers(1, 3)
STEPS = st.sampled_from(Step)
REPORTS = st.one_of(
    st.builds(began, STEPS, ROUNDS, attempt=ATTEMPTS),
    st.builds(ended, STEPS, ROUNDS, attempt=ATTEMPTS, exit_code=st.sampled_from((0, 0, 1, 137))),
    st.builds(rooted, STEPS, ROUNDS, attempt=ATTEMPTS),
    st.builds(
        resolved,
        st.sampled_from("ab"),
        number=ROUNDS,
        final=st.booleans(),
        attempt=ATTEMPTS,
    ),
    st.builds(collected, ATTEMPTS),
    st.builds(image_created, ATTEMPTS),
    st.builds(stopped, ATTEMPTS),
    st.builds(errored, ATTEMPTS, retryable=st.booleans()),
    st.builds(time_limit, st.sampled_from(("wall", "idle")), attempt=ATTEMPTS),
    st.builds(
        c.RecordBuildRefused,
        build_id=st.just(BID),
        attempt=ATTEMPTS,
        step=STEPS,
        reason=st.just("no"),
    ),
)
WISHES = st.sampled_from((CANCEL, RETRY, c.RetryBuild(build_id=BID, attempt=1), SUBMIT))
PROGRESS = ATTEMPTS.flatmap(
    lambda n: st.integers(1, 12).map(
        lambda count: (*to_rpmbuild(n), ended(Step.RPMBUILD, attempt=n), collected(n))[:count]
    )
)


def after(first: c.BuildCommand, rest: list[tuple[c.BuildCommand, ...]]) -> list[c.BuildCommand]:
    return [first, *(command for part in rest for command in part)]


COMMANDS = st.builds(
    after,
    st.sampled_from((SUBMIT, SUBMIT_IMAGE)),
    st.lists(st.tuples(REPORTS | WISHES) | PROGRESS, max_size=25),
)


def history(commands: list[c.BuildCommand]) -> tuple[Build, list[e.BuildEvent]]:
    state: Build | None = None
    events: list[e.BuildEvent] = []
    for command in commands:
        try:
            decided = decide(command, state)
        except (Refusal, UnknownStream):
            continue
        state = reduce(evolve, decided, state)
        events += decided
    assert state is not None
    return state, events


@given(COMMANDS)
def test_every_event_counts_in_the_version_and_the_fold_gives_the_same_again(
    commands: list[c.BuildCommand],
) -> None:
    state, events = history(commands)
    assert state.version == len(events)
    assert reduce(evolve, events, None) == state


@given(COMMANDS)
def test_an_ended_build_stays_so_until_it_is_retried(commands: list[c.BuildCommand]) -> None:
    _, events = history(commands)
    ends = (e.BuildSucceeded, e.BuildFailed, e.BuildErrored, e.BuildCancelled, e.BuildTimedOut)
    for event, following in itertools.pairwise(events):
        assert isinstance(following, e.BuildRetried) == isinstance(event, ends)


@given(COMMANDS)
def test_attempts_are_counted_from_one_without_a_gap(commands: list[c.BuildCommand]) -> None:
    _, events = history(commands)
    attempts = [1 if isinstance(event, e.BuildSubmitted) else event.attempt for event in events]
    assert attempts == sorted(attempts)
    assert set(attempts) == set(range(1, attempts[-1] + 1))


@given(COMMANDS)
def test_each_step_of_an_attempt_starts_once_and_ends_at_most_once(
    commands: list[c.BuildCommand],
) -> None:
    _, events = history(commands)
    for kind in (e.BuildStepStarted, e.BuildStepFinished):
        of_kind = [event for event in events if isinstance(event, kind)]
        keys = [(event.attempt, event.step, event.round) for event in of_kind]
        assert len(keys) == len(set(keys))
    under_way: tuple[int, Step, int] | None = None
    for event in events:
        if isinstance(event, e.BuildStepStarted):
            under_way = (event.attempt, event.step, event.round)
        elif isinstance(event, e.BuildStepFinished):
            assert under_way == (event.attempt, event.step, event.round)


@given(COMMANDS)
def test_only_a_build_whose_last_step_went_well_succeeds(commands: list[c.BuildCommand]) -> None:
    state, events = history(commands)
    if state.phase is not Phase.SUCCEEDED:
        return
    last = [event for event in events if isinstance(event, e.BuildStepFinished)][-1]
    assert (last.exit_code, last.attempt) == (0, state.attempt)
    assert last.step in {Step.RPMBUILD, Step.IMAGE}


@given(COMMANDS)
def test_every_decided_event_is_read_back_as_it_was_written(
    commands: list[c.BuildCommand],
) -> None:
    for event in history(commands)[1]:
        name, data = type(event).__name__, EVENT_TYPES.encode(event)
        assert EVENT_TYPES.decode(name, event.schema_version, data) == event


@given(COMMANDS, REPORTS)
def test_a_report_is_never_refused_and_counts_at_most_once(
    commands: list[c.BuildCommand], report: c.BuildReport
) -> None:
    state, _ = history(commands)
    then = reduce(evolve, decide(report, state), state)
    assert decide(report, then) == ()
