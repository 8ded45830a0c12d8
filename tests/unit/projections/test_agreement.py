"""Lists and details must not disagree with the aggregates' own histories."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access.events import AuthenticationFailed
from domain.builds import events as b
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.builds.state import Build
from domain.builds.state import evolve as evolve_build
from domain.catalog import EVENT_TYPES
from domain.containers import events as c
from domain.containers.spec import ContainerSpec, Limits
from domain.containers.state import Container
from domain.containers.state import evolve as evolve_container
from domain.event import Event, OpaqueEvent
from projections.audit import AUDIT, MAX_INDEXED
from projections.audit_commands import COMMAND_OF_EVENT
from projections.builds import BUILDS
from projections.catalog import READ_MODELS
from projections.containers import CONTAINERS
from projections.model import ReadModel
from projections.statistics import STATISTICS
from tests.support.appends import OCCURRED_AT
from tests.support.read_models import a_recorded

SHA = "sha256:" + "a" * 64
FILE = SourceFile(name="hello.spec", digest=SHA, size=10)
BUILD = BuildSpec(name="hello", source=RpmSource(spec=FILE))
CONTAINER = ContainerSpec(image="openeuler:24.03", name="web")
VALUES: dict[str, Any] = {
    "container_id": "c1",
    "build_id": "b1",
    "attempt": 1,
    "round": 1,
    "intent": 2,
    "base_image": "openeuler:24.03",
    "started_at": OCCURRED_AT,
    "finished_at": OCCURRED_AT + timedelta(seconds=5),
    "log": b.StepLog(),
    "requirements": b.Requirements(
        package="hello", version="1", release="1", source_date_epoch=0, requires=(), missing=()
    ),
    "artifacts": (b.Artifact(name="a.rpm", kind="rpm", digest=SHA, size=1),),
    "step": b.Step.RPMBUILD,
    "exit_code": 0,
    "size": 1,
    "seconds": 1,
    "limit": "wall",
    "limits": Limits(pids=99),
    "grace_seconds": 1,
    "out_of_memory": False,
    "reused": True,
    "retryable": False,
    "force": False,
    "signal": "TERM",
    "status": "running",
    "name": "other",
}


def an_example(event_type: type[Event]) -> Event:
    spec = CONTAINER if event_type is c.ContainerRequested else BUILD
    fields = {name: VALUES.get(name, "x") for name in event_type.__struct_fields__}
    if "generation" in fields:
        fields["generation"] = 1
    if "spec" in fields:
        fields["spec"] = spec
    for name in ("log_tail", "unresolved"):
        if name in fields:
            fields[name] = ("a line",)
    fields.pop("policy", None)
    return event_type(**fields)


def examples(union: Any, first: type[Event]) -> list[Event]:
    return [an_example(each) for each in get_args(union) if each is not first]


CONTAINER_EVENTS = examples(c.ContainerEvent, c.ContainerRequested)
BUILD_EVENTS = [
    *examples(b.BuildEvent, b.BuildSubmitted),
    *(
        b.BuildStepStarted(
            build_id="b1",
            attempt=1,
            step=step,
            round=1,
            engine_name="em",
            image_id=SHA,
            started_at=OCCURRED_AT,
        )
        for step in b.Step
    ),
]


def fold(model: ReadModel[Any], events: list[Event], stream: str) -> Any:
    recorded = [
        a_recorded(event, stream=stream, version=version)
        for version, event in enumerate(events, start=1)
    ]
    (row,) = model.fold({}, model.relevant(recorded)).values()
    return row


def state_of(evolve: Callable[[Any, Any], Any], events: list[Event]) -> Any:
    state = None
    for event in events:
        state = evolve(state, event)
    return state


@given(st.lists(st.sampled_from(CONTAINER_EVENTS), max_size=12))
def test_a_container_row_is_the_containers_state(events: list[Event]) -> None:
    events = [an_example(c.ContainerRequested), *events]
    state: Container = state_of(evolve_container, events)
    row = fold(CONTAINERS, events, "container-c1")
    assert {name: getattr(row, name) for name in state.__struct_fields__} == {
        name: getattr(state, name) for name in state.__struct_fields__
    }


@given(st.lists(st.sampled_from(BUILD_EVENTS), max_size=12))
def test_a_build_row_is_in_the_builds_phase(events: list[Event]) -> None:
    events = [an_example(b.BuildSubmitted), *events]
    state: Build = state_of(evolve_build, events)
    row = fold(BUILDS, events, "build-b1")
    assert (row.phase, row.attempt, row.step) == (state.phase, state.attempt, state.step)
    assert row.current.requirements == state.requirements
    assert row.current.artifacts == state.artifacts
    assert (row.version, row.base_image) == (state.version, state.base_image)


@pytest.mark.parametrize("model", READ_MODELS, ids=lambda model: model.name)
@given(st.lists(st.sampled_from([*CONTAINER_EVENTS, *BUILD_EVENTS]), max_size=20), st.data())
def test_pages_of_any_size_give_the_same_rows(
    model: ReadModel[Any], events: list[Event], data: st.DataObject
) -> None:
    first = [an_example(c.ContainerRequested), an_example(b.BuildSubmitted)]
    recorded = [a_recorded(event) for event in (*first, *events)]
    at = data.draw(st.integers(0, len(recorded)))
    whole = model.fold({}, model.relevant(recorded))
    before = model.fold({}, model.relevant(recorded[:at]))
    after = model.fold(before, model.relevant(recorded[at:]))
    assert before | after == whole


@pytest.mark.parametrize("model", READ_MODELS, ids=lambda model: model.name)
def test_an_event_that_this_program_does_not_know_is_never_fatal(model: ReadModel[Any]) -> None:
    unknown = a_recorded(OpaqueEvent(raw=b"{}"), type="FromTheFuture")
    rows = model.fold({}, model.relevant([unknown]))
    assert bool(rows) == (model in (AUDIT, STATISTICS))


@pytest.mark.parametrize("model", READ_MODELS, ids=lambda model: model.name)
def test_a_history_without_its_beginning_makes_no_row(model: ReadModel[Any]) -> None:
    if model in (AUDIT, STATISTICS):
        return
    headless = [a_recorded(event) for event in (*CONTAINER_EVENTS, *BUILD_EVENTS)]
    assert model.fold({}, model.relevant(headless)) == {}


def test_every_event_says_which_command_it_comes_from() -> None:
    at_the_door = {"AuthenticationFailed", "PermissionDenied", "CommandRefused"}
    assert {each.__name__ for each in EVENT_TYPES} - at_the_door == set(COMMAND_OF_EVENT)


def test_a_stranger_with_a_very_long_path_is_in_the_audit_log_all_the_same() -> None:
    knock = AuthenticationFailed(
        attempt_id="x", key_id="k" * 9_000, reason="unknown", method="GET", path="/" * 9_000
    )
    row = fold(AUDIT, [knock], "attempt-x")
    assert max(len(row.command), len(row.target)) <= MAX_INDEXED
