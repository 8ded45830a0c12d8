"""How every read side answers, whatever it is made of: positions, pages, filters, tenants."""

import pytest

from domain.access.events import KeyCreated
from domain.access.roles import Role
from domain.containers import events as c
from domain.containers.spec import ContainerSpec
from domain.containers.state import Status
from projections.errors import InvalidCursor
from projections.queries import Slice
from tests.support.read_models import ReadSide, Run, a_build, a_container, runner


@pytest.fixture(params=["memory", "postgres"])
def run(request: pytest.FixtureRequest) -> Run:
    return runner(request.getfixturevalue("database") if request.param == "postgres" else None)


def test_an_answer_is_as_of_the_position_it_waited_for(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        position = await side.record("container-c1", *a_container("c1"))
        answer = await side.queries.get_container("default", "c1", min_position=position)
        assert answer.position == position
        assert (answer.projection, answer.version) == ("containers", 1)
        assert answer.value is not None
        assert (answer.value.status, answer.value.version) == (Status.STARTING, 2)
        assert answer.value.spec == ContainerSpec(image="openeuler:24.03", name="web")

    run(body)


def test_the_position_moves_past_events_that_a_read_model_does_not_use(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        position = await side.record("container-c1", *a_container("c1"))
        answer = await side.queries.list_keys("default", min_position=position)
        assert (answer.value, answer.position) == ((), position)

    run(body)


def test_what_does_not_exist_is_none_and_still_says_its_position(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        position = await side.record("container-c1", *a_container("c1"))
        answer = await side.queries.get_build("default", "b1", min_position=position)
        assert (answer.value, answer.position) == (None, position)
        assert await side.queries.find_key("nobody") is None

    run(body)


def test_a_list_is_paged_newest_first_without_gaps_or_repeats(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        position = 0
        for number in range(7):
            position = await side.record(f"container-c{number}", *a_container(f"c{number}"))
        seen: list[str] = []
        after = None
        while True:
            wanted = Slice(after=after, limit=3, min_position=position)
            page = await side.queries.list_containers("default", page=wanted)
            seen += [row.container_id for row in page.items]
            if page.next is None:
                break
            after = page.next
        assert seen == [f"c{number}" for number in reversed(range(7))]

    run(body)


def test_a_cursor_of_another_list_is_refused(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        position = 0
        for number in range(2):
            position = await side.record(f"container-c{number}", *a_container(f"c{number}"))
        page = await side.queries.list_containers(
            "default", page=Slice(limit=1, min_position=position)
        )
        for cursor in (page.next, "not a cursor", "YnVpbGRzOi0x", "é"):
            with pytest.raises(InvalidCursor):
                await side.queries.list_builds("default", page=Slice(after=cursor))

    run(body)


def test_lists_are_filtered_by_status_and_by_the_beginning_of_the_name(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("container-c1", *a_container("c1", "web_1"))
        await side.record("container-c2", *a_container("c2", "webx1"))
        gone = c.ContainerDisappeared(container_id="c2")
        position = await side.record("container-c2", gone)
        page = Slice(min_position=position)
        named = await side.queries.list_containers("default", name="web_", page=page)
        assert [row.container_id for row in named.items] == ["c1"]
        removed = await side.queries.list_containers("default", status=Status.REMOVED, page=page)
        assert [row.container_id for row in removed.items] == ["c2"]

    run(body)


def test_nobody_sees_another_tenant(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        await side.record("container-c1", *a_container("c1"), tenant="acme")
        await side.record("build-b1", a_build("b1"), tenant="acme")
        key = KeyCreated(key_id="k1", role=Role.ADMIN, secret_sha256="0" * 64)
        position = await side.record("key-k1", key, tenant="acme")
        page = Slice(min_position=position)
        queries = side.queries
        assert (await queries.list_containers("default", page=page)).items == ()
        assert (await queries.list_builds("default", page=page)).items == ()
        assert (await queries.list_audit("default", page=page)).items == ()
        assert (await queries.get_container("default", "c1", min_position=position)).value is None
        assert (await queries.get_build("default", "b1", min_position=position)).value is None
        assert (await queries.list_keys("default", min_position=position)).value == ()
        assert (await queries.event_statistics("default", min_position=position)).value == ()
        found = await queries.find_key("k1", min_position=position)
        assert found is not None
        assert found.tenant == "acme"

    run(body)


def test_projections_tell_their_position_and_lag(run: Run) -> None:
    async def body(side: ReadSide) -> None:
        position = await side.record("container-c1", *a_container("c1"))
        for wait in (
            side.queries.list_containers,
            side.queries.list_builds,
            side.queries.list_audit,
        ):
            await wait("default", page=Slice(min_position=position))
        await side.queries.event_statistics("default", min_position=position)
        await side.queries.list_keys("default", min_position=position)
        statuses = await side.queries.list_projections()
        assert [status.name for status in statuses] == sorted(s.name for s in statuses)
        assert {(s.position, s.lag, s.state, s.active) for s in statuses} == {
            (position, 0, "active", True)
        }

    run(body)
