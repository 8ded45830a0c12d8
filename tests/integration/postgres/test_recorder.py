"""The `eventsourcing` library's own cases for recorders, on our log."""

from collections.abc import Iterator

import pytest
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests import persistence as shipped
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.recorder import LogRecorder
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
