"""The log's door for the `eventsourcing` library: its Applications record here, its projections
follow from here.

Set `PERSISTENCE_MODULE=adapters.postgres.recorder` for an Application. It blocks, as all of the
library does: never call it on the event loop. Positions are its notification ids, ids of its
aggregates our streams; what it saves at once is recorded at once or not at all.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid4
from weakref import WeakSet

import msgspec
import psycopg
from eventsourcing import postgres as library
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    InterfaceError,
    Notification,
    OperationalError,
    ProgrammingError,
    StoredEvent,
    Subscription,
)
from eventsourcing.utils import retry
from psycopg.rows import DictRow

from adapters.postgres.arrays import APPEND, append_arguments, register_packed_arrays
from adapters.postgres.envelope import EncodedAppend, encode_append
from adapters.postgres.outcomes import AppendRow, outcomes_of
from adapters.postgres.tenants import STATE
from domain.event import DEFAULT_TENANT, Append, CommandContext, Receipt

ACTOR = "system:eventsourcing"
POLL_SECONDS = 1.0
STOP_SECONDS = 0.1
FIRST_VERSION = "first_version"
"""In the metadata where the library counted from 0; our versions always count from 1."""

STREAM = "SELECT * FROM log.library_events WHERE tenant = %s AND originator_id = %s"
LOG = "SELECT * FROM log.library_events WHERE tenant = %s AND notification_id >= %s"
LAST = "SELECT max(notification_id) AS last FROM log.library_events WHERE tenant = %s"
FIRST = (
    "SELECT originator_version AS first FROM log.library_events"
    " WHERE tenant = %s AND originator_id = %s ORDER BY notification_id LIMIT 1"
)

Connection = psycopg.Connection[DictRow]
P = ParamSpec("P")
T = TypeVar("T")


def _retried(call: Callable[P, T]) -> Callable[P, T]:
    retried: Callable[P, T] = retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)(
        call
    )
    return retried


class LogRecorder(library.PostgresApplicationRecorder):
    """Reads and writes log.events, through the same function as everybody."""

    def __init__(self, datastore: library.PostgresDatastore, **options: Any) -> None:
        super().__init__(datastore, **options)
        self._stated: WeakSet[Connection] = WeakSet()

    def create_table(self) -> None:
        """The migrations did."""

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        """kwargs: fields of the CommandContext, as `Application.save(…, actor=…)` passes them."""
        if not stored_events:
            return []
        return self._insert(stored_events, _context(kwargs))

    @_retried
    def _insert(
        self, stored_events: Sequence[StoredEvent], context: CommandContext
    ) -> Sequence[int]:
        """May be repeated: it is the same command then, and gets its first receipt."""
        with self._connection() as connection, connection.transaction():
            register_packed_arrays(connection)
            batch = [
                self._encode(connection, context, number, str(stream), list(events))
                for number, (stream, events) in enumerate(
                    groupby(stored_events, key=lambda event: event.originator_id)
                )
            ]
            return list(_positions(_append(connection, batch)))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        query = STREAM
        arguments: list[Any] = [DEFAULT_TENANT, str(originator_id)]
        if gt is not None:
            query += " AND originator_version > %s"
            arguments.append(gt)
        if lte is not None:
            query += " AND originator_version <= %s"
            arguments.append(lte)
        query += " ORDER BY originator_version DESC" if desc else " ORDER BY originator_version"
        if limit is not None:
            query += " LIMIT %s"
            arguments.append(limit)
        return [
            StoredEvent(originator_id, row["originator_version"], row["topic"], row["state"])
            for row in self._rows(query, arguments)
        ]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        query = LOG
        first = 0 if start is None else start + (not inclusive_of_start)
        arguments: list[Any] = [DEFAULT_TENANT, first]
        if stop is not None:
            query += " AND notification_id <= %s"
            arguments.append(stop)
        if topics:
            query += " AND topic = ANY(%s)"
            arguments.append(list(topics))
        query += " ORDER BY notification_id LIMIT %s"
        arguments.append(limit)
        return [
            Notification(
                originator_id=self._originator_id(row["originator_id"]),
                originator_version=row["originator_version"],
                topic=row["topic"],
                state=row["state"],
                id=row["notification_id"],
            )
            for row in self._rows(query, arguments)
        ]

    def max_notification_id(self) -> int | None:
        last: int | None = self._rows(LAST, [DEFAULT_TENANT])[0]["last"]
        return last

    def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> Subscription[ApplicationRecorder]:
        return LogSubscription(recorder=self, gt=gt, topics=topics)

    @_retried
    def _rows(self, query: str, arguments: Sequence[Any]) -> Sequence[DictRow]:
        with self._connection() as connection, connection.cursor() as cursor:
            cursor.execute(query.encode(), arguments, prepare=True)
            return cursor.fetchall()

    @contextmanager
    def _connection(self) -> Generator[Connection]:
        """One that sees the rows of our tenant. Its pool belongs to the library."""
        with self.datastore.get_connection() as connection:
            if connection not in self._stated:
                connection.execute(STATE, [DEFAULT_TENANT])
                self._stated.add(connection)
            yield connection

    def _originator_id(self, stream: str) -> UUID | str:
        return UUID(stream) if self.datastore.originator_id_type == "uuid" else stream

    def _encode(
        self,
        connection: Connection,
        context: CommandContext,
        number: int,
        stream: str,
        events: Sequence[StoredEvent],
    ) -> EncodedAppend:
        """One command a stream. number makes the command ids of one save different."""
        wanted = events[0].originator_version
        base = _first_version(connection, stream, wanted)
        append = Append(
            context=CommandContext(
                command_id=f"{context.command_id}/{number}" if number else context.command_id,
                correlation_id=context.correlation_id,
                actor=context.actor,
                occurred_at=context.occurred_at,
                causation_id=context.causation_id,
                source_address=context.source_address,
                traceparent=context.traceparent,
                metadata=context.metadata | ({} if base else {FIRST_VERSION: "0"}),
            ),
            stream=stream,
            expected_version=wanted - base,
            events=(),
            fingerprint=_fingerprint(stream, events),
        )
        return encode_append(append, [(event.topic, event.state) for event in events])


class LogSubscription(library.PostgresSubscription):
    """Looks again by itself every second, so a lost wake-up or listener delays it, no more."""

    def _loop_on_pull(self) -> None:
        try:
            while not self._has_been_stopped:
                self._pull()
                self._has_been_notified.wait(POLL_SECONDS)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that iterates
            self._thread_error = self._thread_error or error
            self.stop()

    def _listen(self) -> None:
        while not self._has_been_stopped:
            with suppress(InterfaceError, OperationalError):
                self._listen_until_lost()

    def _listen_until_lost(self) -> None:
        with self._recorder.datastore.get_connection() as connection:
            connection.execute("LISTEN eulermaker_log")
            while not self._has_been_stopped:
                for _ in connection.notifies(timeout=STOP_SECONDS, stop_after=1):
                    self._has_been_notified.set()
            connection.execute("UNLISTEN *")


class Factory(library.PostgresFactory):
    application_recorder_class = LogRecorder


def _context(given: dict[str, Any]) -> CommandContext:
    command_id = given.get("command_id") or uuid4().hex
    return CommandContext(
        command_id=command_id,
        correlation_id=given.get("correlation_id") or command_id,
        actor=given.get("actor") or ACTOR,
        occurred_at=given.get("occurred_at") or datetime.now(UTC),
        causation_id=given.get("causation_id"),
        source_address=given.get("source_address"),
        traceparent=given.get("traceparent"),
        metadata=_metadata(given.get("metadata") or {}),
    )


def _metadata(given: Any) -> dict[str, str]:
    try:
        return msgspec.convert(given, dict[str, str])
    except msgspec.ValidationError as error:
        raise ProgrammingError(f"metadata holds texts by name: {error}") from error


def _fingerprint(stream: str, events: Sequence[StoredEvent]) -> bytes:
    digest = sha256(stream.encode())
    for event in events:
        digest.update(f"\0{event.originator_version}\0{event.topic}\0{len(event.state)}\0".encode())
        digest.update(event.state)
    return digest.digest()


def _first_version(connection: Connection, stream: str, wanted: int) -> int:
    if wanted == 0:
        return 0
    row = connection.execute(FIRST, [DEFAULT_TENANT, stream]).fetchone()
    return 1 if row is None else int(row["first"])


def _append(connection: Connection, batch: Sequence[EncodedAppend]) -> Iterator[Receipt]:
    cursor = connection.cursor(binary=True)
    cursor.execute(APPEND, append_arguments(batch), prepare=True)
    row = cursor.fetchone()
    assert row is not None
    for outcome in outcomes_of(batch, AppendRow(**row)):
        if not isinstance(outcome, Receipt):
            raise IntegrityError(str(outcome)) from outcome
        yield outcome


def _positions(receipts: Iterator[Receipt]) -> Iterator[int]:
    for receipt in receipts:
        yield from range(receipt.first_position, receipt.last_position + 1)
