"""An HTTP client that costs next to nothing, in a process of its own: the servers are measured.

Each connection sends the next request when the answer to the last one is complete.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import cast

import msgspec
import uvloop

END_OF_HEAD = b"\r\n\r\n"
LENGTH = re.compile(rb"\r\nContent-Length: (\d+)", re.IGNORECASE)
SUCCESS = b"HTTP/1.1 2"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """request: head and body, complete."""

    port: int
    request: bytes
    connections: int
    seconds: float


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """latencies in seconds, of every request that was answered well."""

    per_second: float
    latencies: Sequence[float]


def put_under(load: Load) -> Answers:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_run, load).result()


def _run(load: Load) -> Answers:
    return uvloop.run(_put_under(load))


async def _put_under(load: Load) -> Answers:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    began = time.perf_counter()
    clients = [
        (await loop.create_connection(lambda: _Client(load, latencies, began), "127.0.0.1", port))[
            1
        ]
        for port in [load.port] * load.connections
    ]
    async with asyncio.timeout(load.seconds + 30.0):
        await asyncio.gather(*(client.ended for client in clients))
    elapsed = time.perf_counter() - began
    return Answers(per_second=len(latencies) / elapsed, latencies=latencies)


class _Client(asyncio.Protocol):
    def __init__(self, load: Load, latencies: list[float], began: float) -> None:
        self._request = load.request
        self._until = began + load.seconds
        self._latencies = latencies
        self._transport: asyncio.Transport | None = None
        self._answer = b""
        self._sent_at = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _is_complete(self._answer):
            return
        now = time.perf_counter()
        if not self._answer.startswith(SUCCESS):
            self.ended.set_exception(RuntimeError(self._answer.decode(errors="replace")))
            return
        self._latencies.append(now - self._sent_at)
        self._answer = b""
        if now < self._until:
            self._send()
        elif self._transport is not None:
            self._transport.close()
            self.ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("The server hung up"))

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        if self._transport is not None:
            self._transport.write(self._request)


def _is_complete(answer: bytes) -> bool:
    head = answer.find(END_OF_HEAD)
    if head < 0:
        return False
    length = LENGTH.search(answer, 0, head)
    return len(answer) >= head + len(END_OF_HEAD) + (int(length[1]) if length else 0)
