"""The peer: an Application and a projection of `eventsourcing`, as its documentation has them."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL

from adapters.postgres.projection_tables import ProjectionTable
from adapters.postgres.read_models import rows_to_json
from domain.event import RecordedEvent
from projections.catalog import READ_MODELS

PER_AGGREGATE = 10
WAIT_SECONDS = 600


class Job(Aggregate):
    @event("Started")
    def __init__(self, name: str) -> None:
        self.name = name

    @event("Moved")
    def move(self, step: str) -> None:
        self.step = step


class Jobs(Application[UUID]):
    def record(self, events: int) -> int:
        last = 0
        for number in range(events // PER_AGGREGATE):
            job = Job(f"job-{number}")
            for step in range(PER_AGGREGATE - 1):
                job.move(f"step-{step}")
            last = self.save(job)[-1].notification.id
        return last


class CountView(PostgresTrackingRecorder):
    """The smallest view there can be: one row, one number."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self.sql_create_statements.append(
            SQL("CREATE TABLE IF NOT EXISTS counts (name text PRIMARY KEY, count bigint)").format()
        )

    def add(self, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO counts VALUES ('events', 1)"
                " ON CONFLICT (name) DO UPDATE SET count = counts.count + 1"
            )


class Counting(Projection[CountView]):
    name = "counting"
    topics = ()

    @singledispatchmethod
    def process_event(self, _: object, tracking: Tracking) -> None:
        self.view.add(tracking)


class ReadModelView(PostgresTrackingRecorder):
    """Our read models, folded by our functions, written by our statements: event by event."""

    def __init__(self, datastore: PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self._tables = [ProjectionTable(model, 1, schema="public") for model in READ_MODELS]
        for table in self._tables:
            self.sql_create_statements += [table.create, *table.indexes]

    def apply(self, recorded: RecordedEvent, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for table in self._tables:
                for key, event in table.model.relevant([recorded]):
                    wanted = [table.key_row(*key)]
                    cursor.execute(table.load, [rows_to_json(wanted)])
                    found = cursor.fetchone()
                    text = found["json_agg"] if found else None
                    rows = {key: table.decoder.decode(text)[0]} if text else {}
                    changed = table.model.fold(rows, [(key, event)])
                    if changed:
                        cursor.execute(table.insert, {"rows": rows_to_json([*changed.values()])})


class Projecting(Projection[ReadModelView]):
    name = "projecting"
    topics = ()
    recorded: Sequence[RecordedEvent] = ()

    @singledispatchmethod
    def process_event(self, _: object, tracking: Tracking) -> None:
        self.view.apply(self.recorded[tracking.notification_id - 1], tracking)


def stock_events_per_second(url: str, recorded: Sequence[RecordedEvent]) -> tuple[float, float]:
    """With the smallest view there can be, and with our read models over these events."""
    environment = _environment(url)
    with Jobs(environment) as jobs:
        last = jobs.record(len(recorded))
    Projecting.recorded = recorded
    return (
        len(recorded) / _seconds(Counting, CountView, environment, last),
        len(recorded) / _seconds(Projecting, ReadModelView, environment, last),
    )


def _seconds(
    projection: type[Any], view: type[Any], environment: dict[str, str], last: int
) -> float:
    began = perf_counter()
    with ProjectionRunner(
        application_class=Jobs, projection_class=projection, view_class=view, env=environment
    ) as runner:
        runner.wait(last, timeout=WAIT_SECONDS)
        return perf_counter() - began


def _environment(url: str) -> dict[str, str]:
    parts = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts["host"]),
        "POSTGRES_PORT": str(parts["port"]),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": str(parts["password"]),
    }
