"""An Application of the `eventsourcing` library with a projection, and one with our events."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import IntegrityError, Mapper, Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.tests.application import BankAccounts
from eventsourcing.tests.domain import BankAccount
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.event_mapper import EventMapper, StreamEvent
from tests.support.appends import an_event
from tests.support.postgres import PASSWORD, Database

WAIT_SECONDS = 20


class Accounts(BankAccounts):
    is_snapshotting_enabled = False

    def construct_mapper(self) -> Mapper[UUID]:
        library_events = (BankAccount.Opened, BankAccount.TransactionAppended)
        return EventMapper(self.construct_transcoder(), library_events=library_events)


class Builds(Application[str]):
    def construct_mapper(self) -> Mapper[str]:
        return EventMapper()


class Turnover(PostgresTrackingRecorder):
    """The view: the sum of all transactions."""

    def __init__(self, datastore: Any, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.total = Decimal(0)

    def add(self, amount: Decimal, tracking: Tracking) -> None:
        self.insert_tracking(tracking)
        self.total += amount


class TurnoverProjection(Projection[Turnover]):
    name = "turnover"

    @singledispatchmethod
    def process_event(self, _: Any, tracking: Tracking) -> None:
        self.view.insert_tracking(tracking)

    @process_event.register
    def _transaction(self, event: BankAccount.TransactionAppended, tracking: Tracking) -> None:
        self.view.add(event.amount, tracking)


@pytest.fixture
def env(database: Database) -> dict[str, str]:
    with database.as_owner() as connection:
        connection.execute("CREATE SCHEMA views AUTHORIZATION eulermaker_service")
    parts = conninfo_to_dict(database.service_url)
    return {
        "PERSISTENCE_MODULE": "adapters.postgres.recorder",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts["host"]),
        "POSTGRES_PORT": str(parts["port"]),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_SCHEMA": "views",
    }


def test_an_application_and_its_projection_run_on_the_log(env: dict[str, str]) -> None:
    with ProjectionRunner(
        application_class=Accounts,
        projection_class=TurnoverProjection,
        view_class=Turnover,
        env=env,
    ) as runner:
        account = runner.app.open_account("Alice", "alice@example.org")
        runner.app.credit_account(account, Decimal(10))
        runner.app.credit_account(account, Decimal(32))
        runner.wait(runner.app.recorder.max_notification_id(), timeout=WAIT_SECONDS)
        assert runner.app.get_balance(account) == Decimal(42)
        assert runner.projection.view.total == Decimal(42)


def test_our_events_live_in_a_library_application(env: dict[str, str]) -> None:
    with Builds(env=env | {"ORIGINATOR_ID_TYPE": "text"}) as app:
        app.save(StreamEvent("b", 1, an_event("x")), StreamEvent("c", 1, an_event("y")))
        app.save(StreamEvent("b", 2, an_event("z")), actor="key:7", command_id="c-1")
        recorded = list(app.events.get("b"))
        assert recorded == [
            StreamEvent("b", 1, an_event("x")),
            StreamEvent("b", 2, an_event("z")),
        ]


def test_saving_several_aggregates_at_once_is_all_or_nothing(env: dict[str, str]) -> None:
    with Builds(env=env | {"ORIGINATOR_ID_TYPE": "text"}) as app:
        app.save(StreamEvent("taken", 1, an_event()))
        with pytest.raises(IntegrityError):
            app.save(StreamEvent("new", 1, an_event()), StreamEvent("taken", 1, an_event()))
        assert app.recorder.max_notification_id() == 1


def test_a_save_repeated_with_its_command_id_is_recorded_once(env: dict[str, str]) -> None:
    with Builds(env=env | {"ORIGINATOR_ID_TYPE": "text"}) as app:
        for _ in range(2):
            app.save(StreamEvent("b", 1, an_event()), command_id="once")
        assert app.recorder.max_notification_id() == 1
