"""From the append of an event to the clients of /v1/events, beside a bare LISTEN/NOTIFY relay.

The relay and the `serve` role are processes of their own, and so are the clients, which are the
same raw sockets for both. The clock starts before the append, or before the bare statement. The
relay's payload is the message that a WebSocket client of ours gets.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import uuid4

import msgspec
import psycopg
import uvloop

from adapters.postgres.event_store import PostgresEventStore
from api.http.event_views import view
from domain.builds.events import BuildCancelRequested
from domain.event import Append, CommandContext
from ops.bench.bare_relay import CHANNEL, HELLO
from ops.bench.report import Section
from ops.bench.rounds import Compared, percentile
from ops.bench.service import RunningService, free_port, running_service
from ops.bench.socket_clients import Clients, Plan, connected

TO_REACH = 2.0
NOTIFY = f"SELECT pg_notify('{CHANNEL}', %s)"
TABLE = "CREATE TABLE public.bare (id bigint GENERATED ALWAYS AS IDENTITY, message text)"
INSERT_AND_NOTIFY = (
    "WITH added AS (INSERT INTO public.bare (message) VALUES (%(text)s)) "  # noqa: S608 - our own text
    f"SELECT pg_notify('{CHANNEL}', %(text)s)"
)
UPGRADE = """GET /v1/events HTTP/1.1\r
Host: 127.0.0.1:{port}\r
Authorization: Bearer {key}\r
Connection: Upgrade\r
Upgrade: websocket\r
Sec-WebSocket-Version: 13\r
Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r
\r
"""

Send = Callable[[], Awaitable[object]]


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    clients: int
    events: int
    pause_seconds: float
    rounds: int


PACES = (
    Pace(clients=1, events=200, pause_seconds=0.01, rounds=5),
    Pace(clients=500, events=40, pause_seconds=0.1, rounds=5),
)
QUICK_PACES = (
    Pace(clients=1, events=50, pause_seconds=0.01, rounds=1),
    Pace(clients=50, events=10, pause_seconds=0.1, rounds=1),
)


class Latencies(msgspec.Struct, frozen=True, kw_only=True):
    p50: float
    p99: float


class Message(msgspec.Struct, frozen=True, kw_only=True):
    before: str
    after: str


class Senders(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that puts an event on its way."""

    append: Send
    notify: Send
    insert: Send


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    with running_service("serve") as service, _relay(service) as relay_port:
        message = asyncio.run(_message(service))
        found = [
            _measure(service, relay_port, message, pace)
            for pace in (QUICK_PACES if quick else PACES)
        ]
    return Section(
        title="append to WebSocket client, beside bare LISTEN/NOTIFY to as many bare sockets",
        to_reach=f"p50 at most {TO_REACH:.0f}x",
        reached=all(reached for _, reached in found),
        lines=[line for lines, _ in found for line in lines],
    )


def _measure(
    service: RunningService, relay_port: int, message: Message, pace: Pace
) -> tuple[list[str], bool]:
    upgrade = UPGRADE.format(port=service.port, key=service.key).encode()
    websockets = Plan(
        port=service.port, clients=pace.clients, greeting=upgrade, answer=b" 101 Switching"
    )
    bare = Plan(port=relay_port, clients=pace.clients, greeting=b"", answer=HELLO)
    with connected(websockets) as ours, connected(bare) as theirs:
        rounds = uvloop.run(_rounds(service, message, ours, theirs, pace))
    return _lines(pace, *zip(*rounds, strict=True))


def _lines(pace: Pace, *columns: tuple[Latencies, ...]) -> tuple[list[str], bool]:
    ours, durable, bare = columns
    against_durable, against_bare = _compared(ours, durable), _compared(ours, bare)
    clients = f"{pace.clients} client{'s' if pace.clients > 1 else ''}"
    return [
        f"- {clients}, ours: {_shown(ours)}",
        (
            f"- {clients}, a row inserted and notified in one commit: {_shown(durable)};"
            f" p50 ratio {against_durable.shown_ratio}"
        ),
        (
            f"- {clients}, notified only, nothing durable: {_shown(bare)};"
            f" p50 ratio {against_bare.shown_ratio}"
        ),
        (
            f"- {clients}: {pace.rounds} rounds of {pace.events} events,"
            f" one every {pace.pause_seconds * 1e3:.0f} ms"
        ),
    ], against_durable.ratio <= TO_REACH


def _compared(ours: tuple[Latencies, ...], theirs: tuple[Latencies, ...]) -> Compared:
    return Compared([each.p50 for each in ours], [each.p50 for each in theirs])


def _shown(found: tuple[Latencies, ...]) -> str:
    p50 = statistics.median(each.p50 for each in found)
    p99 = statistics.median(each.p99 for each in found)
    return f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms"


async def _message(service: RunningService) -> Message:
    """What a WebSocket client of ours gets for one event, cut at its mark."""
    store = PostgresEventStore(service.database_url)
    await store.start()
    await store.append(_an_append())
    (recorded,) = (await store.read_log((await store.head()).position - 1))[:1]
    await store.stop()
    assert isinstance(recorded.event, BuildCancelRequested)
    before, after = msgspec.json.encode(view(recorded)).decode().split(recorded.event.reason)
    return Message(before=before, after=after)


async def _rounds(
    service: RunningService, message: Message, ours: Clients, theirs: Clients, pace: Pace
) -> list[tuple[Latencies, Latencies, Latencies]]:
    store = PostgresEventStore(service.database_url)
    await store.start()
    async with await psycopg.AsyncConnection.connect(
        service.owner_url, autocommit=True
    ) as connection:
        senders = _senders(store, connection, message)
        await _sent(senders.append, ours, pace)  # warm
        found = [
            (
                await _sent(senders.append, ours, pace),
                await _sent(senders.insert, theirs, pace),
                await _sent(senders.notify, theirs, pace),
            )
            for _ in range(pace.rounds)
        ]
    await store.stop()
    return found


def _senders(
    store: PostgresEventStore, connection: psycopg.AsyncConnection, message: Message
) -> Senders:
    def text() -> str:
        return f"{message.before}{time.perf_counter_ns()}{message.after}"

    return Senders(
        append=lambda: store.append(_an_append()),
        notify=lambda: connection.execute(NOTIFY, [text()], prepare=True),
        insert=lambda: connection.execute(INSERT_AND_NOTIFY, {"text": text()}, prepare=True),
    )


async def _sent(send: Send, clients: Clients, pace: Pace) -> Latencies:
    for _ in range(pace.events):
        await send()
        await asyncio.sleep(pace.pause_seconds)
    found = await asyncio.to_thread(clients.latencies, pace.events)
    return Latencies(p50=percentile(found, 50), p99=percentile(found, 99))


def _an_append() -> Append:
    identity = str(uuid4())
    context = CommandContext(
        command_id=identity,
        correlation_id=identity,
        actor="key:bench",
        occurred_at=datetime.now(UTC),
    )
    now = str(time.perf_counter_ns())
    return Append(
        context=context,
        stream=f"build-{identity}",
        expected_version=0,
        events=(BuildCancelRequested(build_id=identity, attempt=1, reason=now),),
        fingerprint=bytes(32),
    )


@contextmanager
def _relay(service: RunningService) -> Generator[int]:
    with psycopg.connect(service.owner_url, autocommit=True) as connection:
        connection.execute(TABLE)
    port = free_port()
    command = (sys.executable, "-m", "ops.bench.bare_relay", service.owner_url, str(port))
    process = subprocess.Popen(command)  # noqa: S603 - our own program
    try:
        time.sleep(1.0)
        yield port
    finally:
        process.terminate()
        process.wait()
