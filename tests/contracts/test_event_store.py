"""What every EventStore does, in memory and on PostgreSQL."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from adapters.memory.event_store import InMemoryEventStore
from adapters.postgres import append_call
from adapters.postgres.envelope import EncodedAppend
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.hashing import GENESIS, chain_hash, micros
from domain.errors import CommandIdReused, ConcurrencyConflict
from domain.event import ANY_VERSION, REFUSED, Append, Receipt
from tests.support.appends import OCCURRED_AT, a_context, an_append, an_event
from tests.support.event_stores import Run, Store, runner
from tests.support.postgres import Database


@pytest.fixture(params=["memory", "postgres", "postgres, batches only"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """PostgreSQL takes single commands in by a function of their own: so each rule twice."""
    if request.param == "memory":
        return runner(InMemoryEventStore)
    if request.param == "postgres, batches only":
        monkeypatch.setattr(append_call, "is_one", _never)
    database = request.getfixturevalue("database")
    assert isinstance(database, Database)
    return runner(lambda: PostgresEventStore(database.service_url))


def _never(batch: Sequence[EncodedAppend]) -> bool:
    del batch
    return False


def test_an_append_gets_the_next_positions_and_versions(run: Run) -> None:
    async def body(store: Store) -> None:
        first = await store.append(an_append("a", an_event(), an_event(), expected=0))
        second = await store.append(an_append("b", an_event(), expected=0))
        third = await store.append(an_append("a", an_event(), expected=2))
        assert (first.first_position, first.last_position, first.version) == (1, 2, 2)
        assert (second.first_position, second.last_position, second.version) == (3, 3, 1)
        assert (third.first_position, third.last_position, third.version) == (4, 4, 3)
        assert not first.replayed

    run(body)


def test_what_was_recorded_is_read_back_whole(run: Run) -> None:
    context = msgspec.structs.replace(
        a_context("c-1", "acme"),
        causation_id="event-7",
        source_address="192.0.2.7",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        metadata={"ö": 'quote " and \\', "a": "line\nbreak"},
    )
    event = an_event("päckchen ☃")

    async def body(store: Store) -> None:
        await store.append(
            Append(
                context=context,
                stream="s",
                expected_version=0,
                events=(event,),
                fingerprint=b"f",
            )
        )
        (recorded,) = await store.read_stream("acme", "s")
        assert recorded.event == event
        assert recorded.type == "BuildCancelRequested"
        assert recorded.schema_version == type(event).schema_version
        assert recorded.occurred_at == OCCURRED_AT
        assert recorded.hash_version == 1
        assert recorded.key_id is None
        for field in context.__struct_fields__:
            assert getattr(recorded, field) == getattr(context, field)

    run(body)


def test_a_stale_expected_version_is_a_conflict_and_records_nothing(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("a", expected=0))
        with pytest.raises(ConcurrencyConflict) as conflict:
            await store.append(an_append("a", expected=0, command_id="late"))
        assert (conflict.value.expected, conflict.value.actual) == (0, 1)
        with pytest.raises(ConcurrencyConflict):
            await store.append(an_append("new", expected=3))
        assert (await store.head()).position == 1
        assert await store.find_receipt("default", "late") is None

    run(body)


def test_any_version_appends_to_whatever_is_there(run: Run) -> None:
    async def body(store: Store) -> None:
        receipts = [
            await store.append(an_append("a", an_event(), expected=ANY_VERSION)) for _ in range(3)
        ]
        assert [receipt.version for receipt in receipts] == [1, 2, 3]

    run(body)


def test_a_command_delivered_again_gets_its_first_receipt(run: Run) -> None:
    append = an_append("a", an_event(), an_event(), expected=0, command_id="once")

    async def body(store: Store) -> None:
        receipt = await store.append(append)
        await store.append(an_append("a", expected=2))
        again = await store.append(append)
        assert again == msgspec.structs.replace(receipt, replayed=True)
        assert await store.find_receipt("default", "once") == again
        assert (await store.head()).position == 3

    run(body)


def test_a_repeated_command_learns_the_stream_of_its_first_delivery(run: Run) -> None:
    """A client that sends a creation twice gets one object, not a second new id."""

    async def body(store: Store) -> None:
        await store.append(an_append("build-1", command_id="create"))
        again = await store.append(an_append("build-2", command_id="create"))
        assert again.stream == "build-1"
        assert await store.read_stream("default", "build-2") == []

    run(body)


def test_a_command_id_reused_for_another_request_is_refused(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("a", command_id="c", fingerprint=b"1"))
        with pytest.raises(CommandIdReused):
            await store.append(an_append("a", command_id="c", fingerprint=b"2"))
        assert (await store.head()).position == 1

    run(body)


def test_a_command_without_events_still_has_a_receipt(run: Run) -> None:
    append = msgspec.structs.replace(an_append("a", command_id="noop"), events=())

    async def body(store: Store) -> None:
        receipt = await store.append(append)
        assert (receipt.first_position, receipt.last_position, receipt.version) == (0, 0, 0)
        assert (await store.append(append)).replayed
        assert (await store.head()).position == 0
        await store.append(an_append("a", expected=0))
        late = msgspec.structs.replace(append, context=a_context("noop-2"), expected_version=1)
        assert (await store.append(late)).version == 1

    run(body)


def test_the_status_of_a_refusal_is_kept(run: Run) -> None:
    append = msgspec.structs.replace(an_append("a", command_id="no"), status=REFUSED)

    async def body(store: Store) -> None:
        assert (await store.append(append)).status == REFUSED
        assert (await store.append(append)).status == REFUSED

    run(body)


def test_tenants_share_positions_and_nothing_else(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("a", expected=0, command_id="c", tenant="one"))
        other = await store.append(an_append("a", expected=0, command_id="c", tenant="two"))
        assert not other.replayed
        assert [event.tenant for event in await store.read_log(0)] == ["one", "two"]
        assert [event.position for event in await store.read_log(0, tenant="two")] == [2]
        assert [event.position for event in await store.read_stream("two", "a")] == [2]
        assert await store.read_stream("three", "a") == []
        assert await store.find_receipt("three", "c") is None

    run(body)


def test_pages_begin_after_the_given_place_and_end_at_the_limit(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("a", *(an_event(str(number)) for number in range(5))))
        versions = [
            event.version for event in await store.read_stream("default", "a", after_version=1)
        ]
        assert versions == [2, 3, 4, 5]
        page = await store.read_stream("default", "a", after_version=1, limit=2)
        assert [event.version for event in page] == [2, 3]
        assert [event.position for event in await store.read_log(3, limit=1)] == [4]
        assert await store.read_log(5) == []

    run(body)


def test_the_chain_can_be_recomputed_from_what_is_read(run: Run) -> None:
    async def body(store: Store) -> None:
        assert (await store.head()).chain == GENESIS
        await store.append(an_append("a", an_event("x"), an_event("y")))
        await store.append(an_append("b", an_event("z")))
        chain = GENESIS
        for event in await store.read_log(0):
            moment = micros(event.recorded_at)
            chain = chain_hash(chain, event.position, event.version, moment, event.leaf)
            assert event.chain == chain
        assert (await store.head()).chain == chain

    run(body)


def test_recorded_at_never_runs_against_position(run: Run) -> None:
    async def body(store: Store) -> None:
        await asyncio.gather(*(store.append(an_append(f"s-{number}")) for number in range(50)))
        moments = [event.recorded_at for event in await store.read_log(0)]
        assert moments == sorted(moments)

    run(body)


def test_of_racing_commands_on_one_version_exactly_one_wins(run: Run) -> None:
    async def body(store: Store) -> None:
        answers = await asyncio.gather(
            *(store.append(an_append("a", expected=0)) for _ in range(20)), return_exceptions=True
        )
        assert sum(isinstance(answer, Receipt) for answer in answers) == 1
        assert sum(isinstance(answer, ConcurrencyConflict) for answer in answers) == 19

    run(body)


def test_racing_deliveries_of_one_command_record_it_once(run: Run) -> None:
    append = an_append("a", command_id="same")

    async def body(store: Store) -> None:
        receipts = await asyncio.gather(*(store.append(append) for _ in range(20)))
        assert {receipt.first_position for receipt in receipts} == {1}
        assert sum(not receipt.replayed for receipt in receipts) == 1
        assert (await store.head()).position == 1

    run(body)


def test_one_batch_answers_each_command_for_itself(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("taken", expected=0, command_id="known"))
        answers = await asyncio.gather(
            store.append(an_append("new-1", an_event(), an_event(), expected=0)),
            store.append(an_append("taken", expected=0)),
            store.append(an_append("other", command_id="known")),
            store.append(an_append("elsewhere", command_id="known", fingerprint=b"?")),
            store.append(an_append("new-2", expected=0)),
            return_exceptions=True,
        )
        kinds = [type(answer) for answer in answers]
        assert kinds == [Receipt, ConcurrencyConflict, Receipt, CommandIdReused, Receipt]
        events = await store.read_log(0)
        assert [event.position for event in events] == [1, 2, 3, 4]
        assert {event.stream for event in events} == {"taken", "new-1", "new-2"}

    run(body)


def test_a_refused_command_in_a_batch_leaves_the_others_as_they_are(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("taken", expected=0))
        await asyncio.gather(
            store.append(an_append("taken", an_event("no"), an_event("no"), expected=0)),
            store.append(an_append("a", an_event("x"), expected=0)),
            store.append(an_append("new", an_event("no"), expected=9)),
            store.append(an_append("b", an_event("y"), an_event("z"), expected=0)),
            return_exceptions=True,
        )
        recorded = [(event.stream, event.version, event.event) for event in await store.read_log(1)]
        assert recorded == [
            ("a", 1, an_event("x")),
            ("b", 1, an_event("y")),
            ("b", 2, an_event("z")),
        ]

    run(body)


def test_commands_on_one_stream_are_recorded_in_the_order_they_came(run: Run) -> None:
    async def body(store: Store) -> None:
        await asyncio.gather(
            *(store.append(an_append("a", an_event(str(number)))) for number in range(30))
        )
        events = await store.read_stream("default", "a")
        assert [event.event for event in events] == [an_event(str(number)) for number in range(30)]

    run(body)


def test_an_event_id_is_the_same_whoever_computes_it(run: Run) -> None:
    async def body(store: Store) -> None:
        await store.append(an_append("a", an_event(), an_event(), command_id="fixed"))
        ids = [event.event_id for event in await store.read_log(0)]
        assert ids == [
            "ea9047e6-3799-8f27-b339-e1e6a5e4332e",
            "e9acc9b8-9820-8b37-b84e-bff13ce9ee9c",
        ]

    run(body)


def test_text_that_no_database_can_store_is_refused_before_it_is_sent(run: Run) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(ValueError, match="NUL"):
            await store.append(an_append("a\0b"))
        with pytest.raises(UnicodeEncodeError):
            await store.append(an_append("a", command_id="\ud800"))
        assert (await store.append(an_append("a"))).first_position == 1

    run(body)
