"""Appends a second through the EventStore port, beside the stock `eventsourcing` recorder.

    python -m ops.bench.append [--seconds 2] [--url postgresql://superuser…/postgres]

One-event commands to new streams, both sides on the same server, each in a database of its own.
Without --url an embedded PostgreSQL is started. Stock's best number of threads is found first: its
two best ones are measured again in turns with ours, and the better of them counts.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
import psycopg
import uvloop
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.sql import SQL, Identifier

from adapters.embedded import EmbeddedPostgres
from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.migrate import migrate
from adapters.postgres.roles import SERVICE
from api.garbage import collect_less_often
from domain.builds.events import BuildCancelRequested
from domain.event import Append, CommandContext
from ops.bench.ending import end_at_sigterm
from ops.bench.rounds import in_turns

CALLERS = (1, 16, 64, 256, 1_024)
THREADS = (1, 2, 4, 8, 16, 32)
PROCESSES = 4
ROUNDS = 5
FINALISTS = 2
TARGETS = {1: 1.1, 16: 5.5, 64: 13.0, 256: 22.0, 1_024: 30.0}
TAIL_CALLERS, TAIL_SECONDS = 256, 0.1
PASSWORD = "bench"  # noqa: S105 - of a database that lives as long as the bench
BODY = "x" * 50
RUN, NUMBERS = str(uuid4())[:-12], count()


Command = Callable[[PostgresEventStore], Awaitable[object]]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies in seconds."""

    callers: int
    per_second: float
    p50: float
    p99: float


def rate(callers: int, elapsed: float, latencies: Sequence[float]) -> Rate:
    cuts = statistics.quantiles(latencies, n=100)
    return Rate(callers=callers, per_second=len(latencies) / elapsed, p50=cuts[49], p99=cuts[98])


def new_id() -> str:
    """As long as a UUID and, as ours are, in the order of time; cheap, so that commands are
    measured and not their ids."""
    return f"{RUN}{next(NUMBERS):012x}"


def an_append(stream: str, expected: int) -> Append:
    command = new_id()
    return Append(
        context=CommandContext(
            command_id=command,
            correlation_id=command,
            actor="key:bench",
            occurred_at=datetime.now(UTC),
        ),
        stream=stream,
        expected_version=expected,
        events=(BuildCancelRequested(build_id=stream, attempt=1, reason=BODY),),
        fingerprint=bytes(32),
    )


async def append_new(store: PostgresEventStore) -> None:
    await store.append(an_append(f"build-{new_id()}", 0))


async def load_decide_append(store: PostgresEventStore) -> None:
    """The second command on a stream: read it, look at it, append."""
    stream = f"build-{new_id()}"
    await store.append(an_append(stream, 0))
    events = await store.read_stream("default", stream)
    await store.append(an_append(stream, len(events)))


async def measure(url: str, callers: int, seconds: float, command: Command) -> Rate:
    store = PostgresEventStore(url)
    await store.start()
    await append_new(store)
    latencies: list[float] = []
    began = time.perf_counter()

    async def caller() -> None:
        now = time.perf_counter()
        while now < began + seconds:
            await command(store)
            later = time.perf_counter()
            latencies.append(later - now)
            now = later

    await asyncio.gather(*(caller() for _ in range(callers)))
    elapsed = time.perf_counter() - began
    await store.stop()
    return rate(callers, elapsed, latencies)


def ours(url: str, callers: int, seconds: float, command: Command = append_new) -> Rate:
    return uvloop.run(measure(url, callers, seconds, command))


def ours_in_processes(url: str, callers: int, seconds: float) -> float:
    """All processes' commands a second together."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        rates = [pool.submit(ours, url, callers // PROCESSES, seconds) for _ in range(PROCESSES)]
        return sum(one.result().per_second for one in rates)


def stock(url: str, threads: int, seconds: float) -> Rate:
    parts = conninfo_to_dict(url)
    with PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts["host"]),
        port=str(parts["port"]),
        user=str(parts["user"]),
        password=str(parts["password"]),
        pool_size=threads,
        connect_timeout=30,
    ) as datastore:
        recorder = PostgresApplicationRecorder(datastore)
        recorder.create_table()
        recorder.insert_events([_stored()])
        return _measure_stock(recorder, threads, seconds)


def _measure_stock(recorder: PostgresApplicationRecorder, threads: int, seconds: float) -> Rate:
    latencies: list[float] = []
    began = time.perf_counter()

    def caller() -> None:
        now = time.perf_counter()
        while now < began + seconds:
            recorder.insert_events([_stored()])
            later = time.perf_counter()
            latencies.append(later - now)
            now = later

    running = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return rate(threads, time.perf_counter() - began, latencies)


def _stored() -> StoredEvent:
    return StoredEvent(UUID(new_id()), 1, "Benched", 2 * BODY.encode())


@contextmanager
def _server(url: str | None) -> Generator[str]:
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        server = EmbeddedPostgres(Path(directory))
        try:
            yield server.start()
        finally:
            server.stop()


@contextmanager
def _database(url: str) -> Generator[str]:
    name = f"bench_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield make_conninfo(url, dbname=name)
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


def run(url: str, seconds: float) -> bool:
    """Prints one line a measurement; True when every target was reached."""
    with _database(url) as stock_url, _database(url) as owner_url:
        migrate(owner_url, service_password=PASSWORD)
        our_url = make_conninfo(owner_url, user=SERVICE, password=PASSWORD)
        scanned = [_show("stock", stock(stock_url, threads, seconds)) for threads in THREADS]
        best = sorted(scanned, key=lambda measured: measured.per_second)[-FINALISTS:]

        def stock_at_its_best() -> float:
            return max(stock(stock_url, each.callers, seconds).per_second for each in best)

        reached = [
            _compare(callers, lambda: ours(our_url, callers, seconds), stock_at_its_best)  # noqa: B023 - called at once
            for callers in CALLERS
        ]
        _show("load-decide-append (2 commands)", ours(our_url, 64, seconds, load_decide_append))
        together = ours_in_processes(our_url, 256, seconds)
        print(f"{PROCESSES} writer processes, 256 callers in all: {together:,.0f}/s")
        return all(reached)


def _compare(callers: int, ours: Callable[[], Rate], stock: Callable[[], float]) -> bool:
    rates: list[Rate] = []

    def per_second() -> float:
        rates.append(ours())
        return rates[-1].per_second

    compared = in_turns(per_second, stock, ROUNDS)
    middle = sorted(rates, key=lambda each: each.per_second)[ROUNDS // 2]
    target = TARGETS[callers]
    p99 = statistics.median(each.p99 for each in rates)
    in_time = callers != TAIL_CALLERS or p99 < TAIL_SECONDS
    best = f"stock's best ({compared.peer_median:,.0f}/s)"
    _show("ours ", middle, f"  {compared.shown_ratio} of {best}, to reach {target}")
    return compared.ratio >= target and in_time


def _show(who: str, measured: Rate, remark: str = "") -> Rate:
    print(
        f"{who} {measured.callers:5} callers {measured.per_second:8,.0f}/s"
        f"  p50 {measured.p50 * 1e3:6.1f} ms  p99 {measured.p99 * 1e3:6.1f} ms{remark}",
        flush=True,
    )
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--url", help="of a superuser; an embedded server otherwise")
    arguments = parser.parse_args()
    end_at_sigterm()
    collect_less_often()
    with _server(arguments.url) as url:
        sys.exit(0 if run(url, arguments.seconds) else 1)


if __name__ == "__main__":
    main()
