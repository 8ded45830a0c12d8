"""The `eventsourcing` library's own cases for recorders, on our log."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest
from eventsourcing.persistence import ProgrammingError, StoredEvent
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests import persistence as shipped
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.recorder import LogRecorder
from tests.support.appends import an_append
from tests.support.postgres import PASSWORD, Database

RACES = 100


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
