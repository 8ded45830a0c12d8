"""What the read models show of what happened, in memory and on PostgreSQL."""

from datetime import timedelta

import pytest

from domain.access.events import AuthenticationFailed, CommandRefused, KeyCreated, KeyRevoked
from domain.access.roles import Role
from domain.builds import events as b
from domain.builds.state import Phase
from domain.containers import events as c
from projections.queries import AuditFilter, Slice
from tests.support.appends import OCCURRED_AT
from tests.support.read_models import SHA, ReadSide, Run, a_build, a_container, created, runner


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    return runner(request.getfixturevalue("database") if request.param == "postgres" else None)


def test_containers_of_a_name_are_those_called_exactly_so_and_not_removed(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("container-c1", *a_container("c1"))
        await side.record("container-c2", *a_container("c2", "web-2"))
        await side.record("container-c3", *a_container("c3"))
        await side.record("container-c3", c.ContainerRemoved(container_id="c3", intent=2))
        await side.record("container-c4", *a_container("c4"), tenant="acme")
        position = await side.record("container-c5", *a_container("c5"))
        named = await side.queries.find_containers_named("default", "web", min_position=position)
        assert [row.container_id for row in named.value] == ["c1", "c5"]

    run(body)


def test_living_containers_are_those_that_the_engine_should_have(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("container-c1", *a_container("c1"))
        await side.record("container-c2", *a_container("c2"))
        await side.record("container-c2", created("c2"))
        await side.record("container-c3", *a_container("c3"))
        await side.record("container-c3", created("c3"))
        position = await side.record("container-c3", c.ContainerDisappeared(container_id="c3"))
        await side.queries.get_container("default", "c3", min_position=position)
        living = (await side.queries.list_living_containers()).value
        assert [(row.container_id, row.engine_name) for row in living] == [("c2", "em-1")]
        assert (await side.queries.list_living_containers("acme")).value == ()

    run(body)


def test_a_build_shows_its_steps_and_why_it_failed(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("build-b1", a_build("b1"))
        started = b.BuildStepStarted(
            build_id="b1",
            attempt=1,
            step=b.Step.RPMBUILD,
            round=1,
            engine_name="em-b1",
            image_id=SHA,
            started_at=OCCURRED_AT,
        )
        await side.record("build-b1", started)
        finished = b.BuildStepFinished(
            build_id="b1",
            attempt=1,
            step=b.Step.RPMBUILD,
            round=1,
            exit_code=1,
            out_of_memory=False,
            finished_at=OCCURRED_AT + timedelta(seconds=5),
            log=b.StepLog(size=9, digest=SHA, chunks=1, tail=("nul \0 and \\u0000",)),
        )
        failed = b.BuildFailed(
            build_id="b1",
            attempt=1,
            step=b.Step.RPMBUILD,
            exit_code=1,
            reason="%build failed",
            phase="%build",
            unresolved=("texinfo",),
        )
        position = await side.record("build-b1", finished, failed)
        build = (await side.queries.get_build("default", "b1", min_position=position)).value
        assert build is not None
        assert (build.phase, build.reason, build.step) == (
            Phase.FAILED,
            "%build failed",
            "rpmbuild",
        )
        (step,) = build.current.steps
        assert (step.exit_code, step.finished_at) == (1, finished.finished_at)
        assert build.current.failure is not None
        assert build.current.failure.unresolved == ("texinfo",)

    run(body)


def test_the_audit_log_tells_refusals_and_failed_authentication_from_what_was_done(
    run: Run,
) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("container-c1", *a_container("c1"), actor="key:a")
        refused = CommandRefused(
            attempt_id="x",
            command="PauseContainer",
            target="container-c1",
            rule="pause-container-needs-running",
            state="starting",
            reason="It is starting.",
        )
        await side.record("attempt-x", refused, actor="key:b")
        failed = AuthenticationFailed(
            attempt_id="y", key_id="k9", reason="unknown key", method="GET", path="/v1/builds"
        )
        position = await side.record("attempt-y", failed, actor="anonymous")
        page = Slice(min_position=position)
        rows = (await side.queries.list_audit("default", page=page)).items
        assert [(row.outcome, row.command) for row in rows] == [
            ("unauthenticated", "GET /v1/builds"),
            ("refused", "PauseContainer"),
            ("accepted", "RequestContainer"),
        ]
        assert rows[2].events == ("ContainerRequested", "ContainerStartRequested")
        assert {row.source_address for row in rows} == {"192.0.2.7"}
        for wanted in (
            AuditFilter(actor="key:b"),
            AuditFilter(command="PauseContainer"),
            AuditFilter(outcome="refused"),
            AuditFilter(target="container-c1", outcome="refused"),
            AuditFilter(since=rows[1].recorded_at, until=rows[0].recorded_at),
        ):
            found = await side.queries.list_audit("default", wanted=wanted)
            assert [row.command_id for row in found.items] == [rows[1].command_id]

    run(body)


def test_events_are_counted_by_hour_and_type(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("container-c1", *a_container("c1"))
        position = await side.record("container-c2", *a_container("c2"))
        counts = (await side.queries.event_statistics("default", min_position=position)).value
        total = sum(row.count for row in counts)
        assert total == position
        assert {row.type for row in counts} == {"ContainerRequested", "ContainerStartRequested"}
        later = max(row.hour for row in counts) + timedelta(hours=1)
        assert (await side.queries.event_statistics("default", since=later)).value == ()

    run(body)


def test_a_revoked_key_is_found_as_revoked(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        key = KeyCreated(key_id="k1", role=Role.BUILDER, secret_sha256="1" * 64)
        await side.record("key-k1", key)
        position = await side.record("key-k1", KeyRevoked(key_id="k1"))
        found = await side.queries.find_key("k1", min_position=position)
        assert found is not None
        assert (found.revoked, found.role, found.version) == (True, Role.BUILDER, 2)
        assert (await side.queries.list_keys("default")).value == (found,)

    run(body)
