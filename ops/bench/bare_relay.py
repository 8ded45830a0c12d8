"""The peer of the live events: LISTEN, and every notification to every socket, nothing else."""

import asyncio
import sys
from contextlib import suppress
from typing import cast

import psycopg
import uvloop

CHANNEL = "bare"
HELLO = b"hello\n"


class _Sockets(asyncio.Protocol):
    def __init__(self, everybody: set[asyncio.Transport]) -> None:
        self._everybody = everybody
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._everybody.add(self._transport)
        self._transport.write(HELLO)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._transport is not None:
            self._everybody.discard(self._transport)


async def _relay(url: str, port: int) -> None:
    everybody: set[asyncio.Transport] = set()
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: _Sockets(everybody), "127.0.0.1", port)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"LISTEN {CHANNEL}".encode())
        async for notification in connection.notifies():
            message = notification.payload.encode() + b"\n"
            for transport in everybody:
                transport.write(message)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_relay(sys.argv[1], int(sys.argv[2])))
