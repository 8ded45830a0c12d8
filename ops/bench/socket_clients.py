"""Many clients of a stream of events, in a process of their own: raw sockets for both sides.

Each event carries the time at which its append began, so a client needs to find one number only.
"""

import asyncio
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import cast

import msgspec
import uvloop

MARK = re.compile(rb'"reason":"(\d+)"')
PING, PONG = b"\x89\x00", b"\x8a\x80\x00\x00\x00\x00"
LATE_SECONDS = 20.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """greeting: what a client says first; answer: what it must hear before it counts as there."""

    port: int
    clients: int
    greeting: bytes
    answer: bytes


class Clients:
    """The other process, from here."""

    def __init__(self, pipe: Connection, clients: int) -> None:
        self._pipe = pipe
        self._clients = clients

    def latencies(self, events: int) -> list[float]:
        """In seconds, of every client and event since the last call."""
        self._pipe.send(events * self._clients)
        if not self._pipe.poll(2 * LATE_SECONDS):
            raise TimeoutError("The clients do not answer")
        found: list[float] = self._pipe.recv()
        if len(found) != events * self._clients:
            raise TimeoutError(f"{len(found)} of {events * self._clients} events arrived")
        return found


@contextmanager
def connected(plan: Plan) -> Generator[Clients]:
    context = get_context("spawn")
    here, there = Pipe()
    process = context.Process(target=_run, args=(plan, there), daemon=True)
    process.start()
    try:
        if not here.poll(LATE_SECONDS):
            raise TimeoutError("The clients could not connect")
        here.recv()
        yield Clients(here, plan.clients)  # pyright: ignore[reportArgumentType]  # Linux
    finally:
        process.terminate()
        process.join()


def _run(plan: Plan, pipe: Connection) -> None:
    uvloop.run(_follow(plan, pipe))


async def _follow(plan: Plan, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    for _ in range(plan.clients):
        _, client = await loop.create_connection(
            lambda: _Client(plan, latencies), "127.0.0.1", plan.port
        )
        async with asyncio.timeout(LATE_SECONDS):
            await client.welcomed
    pipe.send(plan.clients)
    while True:
        expected: int = await loop.run_in_executor(None, pipe.recv)
        deadline = loop.time() + LATE_SECONDS
        while len(latencies) < expected and loop.time() < deadline:  # noqa: ASYNC110 - looking costs the clients nothing
            await asyncio.sleep(0.05)
        pipe.send(latencies.copy())
        latencies.clear()


class _Client(asyncio.Protocol):
    def __init__(self, plan: Plan, latencies: list[float]) -> None:
        self._plan = plan
        self._latencies = latencies
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self.welcomed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._plan.greeting)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter_ns()
        buffer = self._rest + data
        end = 0
        for found in MARK.finditer(buffer):
            self._latencies.append((now - int(found[1])) / 1e9)
            end = found.end()
        self._rest = buffer[end:][-64:]
        if not self.welcomed.done() and self._plan.answer in buffer:
            self.welcomed.set_result(None)
        if PING in data and self._transport is not None:
            self._transport.write(PONG)
