"""The `eventsourcing` library's own cases for recorders, on our log."""

import asyncio
import time
from collections.abc import Iterator
from threading import Timer
from uuid import uuid4

import pytest
from eventsourcing.persistence import (
    ApplicationRecorder,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests import persistence as shipped
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.recorder import LogRecorder, LogSubscription
from adapters.postgres.verify import verify_log
from tests.support.appends import an_append
from tests.support.postgres import PASSWORD, Database

RACES = 100
DEADLINE_SECONDS = 20.0
AN_HOUR = 3_600.0
POLL = "adapters.postgres.recorder.POLL_SECONDS"
LISTENER = (
    "SELECT FROM pg_stat_activity WHERE datname = current_database()"
    " AND query LIKE 'LISTEN%' AND state = 'idle'"
)


@pytest.fixture
def datastore(database: Database) -> Iterator[PostgresDatastore]:
    with _datastore(database) as datastore:
        yield datastore


def _datastore(database: Database) -> PostgresDatastore:
    parts = conninfo_to_dict(database.service_url)
    return PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts["host"]),
        port=str(parts["port"]),
        user=str(parts["user"]),
        password=PASSWORD,
        pool_size=2,
        max_overflow=20,
        connect_timeout=30,
    )


class TestShippedCase(shipped.ApplicationRecorderTestCase[LogRecorder]):
    @pytest.fixture(autouse=True)
    def _on_our_log(self, datastore: PostgresDatastore) -> None:
        self.datastore = datastore

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.datastore)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestShippedRace(shipped.NonInterleavingNotificationIDsBaseCase):
    @pytest.fixture(autouse=True)
    def _on_our_log(self, datastore: PostgresDatastore) -> None:
        self.datastore = datastore

    def create_recorder(self) -> LogRecorder:
        return LogRecorder(self.datastore)

    def test(self) -> None:
        for _ in range(RACES):
            super().test()


def test_a_subscription_is_woken_by_a_new_event(
    database: Database, datastore: PostgresDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POLL, AN_HOUR)
    recorder = LogRecorder(datastore)
    _note(recorder)
    with recorder.subscribe() as subscription:
        assert _next(subscription) == 1  # so it has looked at the log
        _await_listener(database)
        _note(recorder)
        assert _next(subscription) == 2


def test_a_subscription_that_hears_nothing_looks_again_by_itself(
    datastore: PostgresDatastore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(POLL, 0.05)
    monkeypatch.setattr(LogSubscription, "_listen", _hear_nothing)
    recorder = LogRecorder(datastore)
    _note(recorder)
    with recorder.subscribe() as subscription:
        assert _next(subscription) == 1
        _note(recorder)
        assert _next(subscription) == 2


def test_the_newest_events_of_a_stream_come_first_where_that_is_asked_for(
    datastore: PostgresDatastore,
) -> None:
    recorder, stream = LogRecorder(datastore), uuid4()
    _note(recorder)
    recorder.insert_events([StoredEvent(stream, version, "Noted", b"{}") for version in (1, 2, 3)])
    found = recorder.select_events(stream, desc=True, limit=2)
    assert [event.originator_version for event in found] == [3, 2]


def test_a_log_of_what_the_library_recorded_is_whole(
    database: Database, datastore: PostgresDatastore
) -> None:
    recorder, from_0, from_1 = LogRecorder(datastore), uuid4(), uuid4()
    for _ in range(2):
        recorder.insert_events(
            [StoredEvent(from_0, 0, "Noted", b"{}"), StoredEvent(from_1, 1, "Noted", b"{}")],
            command_id="both",
        )
    recorder.insert_events([StoredEvent(from_0, version, "Noted", b"{}") for version in (1, 2)])
    report = asyncio.run(verify_log(database.service_url))
    assert report.damage is None
    assert report.position == recorder.max_notification_id()


def _hear_nothing(_: LogSubscription) -> None:
    """In place of listening."""


def _note(recorder: LogRecorder) -> None:
    recorder.insert_events([StoredEvent(uuid4(), 1, "Noted", b"{}")])


def _next(subscription: Subscription[ApplicationRecorder]) -> int | None:
    """The next position; None where it does not come in time."""
    deadline = Timer(DEADLINE_SECONDS, subscription.stop)
    deadline.start()
    found = next(subscription, None)
    deadline.cancel()
    return found.id if found else None


def _await_listener(database: Database) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    with database.as_owner() as connection:
        while connection.execute(LISTENER).fetchone() is None:
            assert time.monotonic() < deadline


def test_metadata_that_is_no_text_is_refused_before_it_is_stored(
    datastore: PostgresDatastore,
) -> None:
    recorder = LogRecorder(datastore)
    event = StoredEvent(uuid4(), 1, "Noted", b"{}")
    with pytest.raises(ProgrammingError, match="metadata holds texts"):
        recorder.insert_events([event], metadata={"attempt": 1})
    assert recorder.max_notification_id() is None


def test_metadata_that_is_no_text_stops_no_reader(database: Database) -> None:
    async def body() -> None:
        store = PostgresEventStore(database.service_url)
        await store.start()
        await store.append(an_append("a"))
        with database.as_owner() as connection:
            connection.execute("ALTER TABLE log.events DISABLE TRIGGER events_never_change")
            connection.execute("UPDATE log.events SET metadata = '{\"attempt\":1}'")
        (event,) = await store.read_log(0)
        await store.stop()
        assert event.metadata == {"": '{"attempt":1}'}

    asyncio.run(body())
