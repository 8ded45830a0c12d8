"""A socket between client and engine that loses what it is told to lose."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from adapters.docker import EngineAddress

ENGINE_SOCKET = "/var/run/docker.sock"
PIECE_BYTES = 65_536


class EngineProxy:
    """loses: the answer to the first request that contains these bytes is cut off.

    mutes: the answers to requests that contain these bytes never come.
    gate: requests wait here while it is closed.
    poses_as: bytes of the engine's answers, and what is told instead of them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loses: bytes | None = None
        self.mutes: bytes | None = None
        self.poses_as: tuple[bytes, bytes] | None = None
        self.open_connections = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._requests: list[bytes] = []
        self._links: dict[asyncio.StreamWriter, bytes] = {}

    @property
    def address(self) -> EngineAddress:
        return EngineAddress(docker_host=f"unix://{self.path}")

    def asked(self, what: bytes) -> int:
        return sum(what in request for request in self._requests)

    def cut(self, what: bytes = b"") -> None:
        """Every connection whose last request contains these bytes, without a word."""
        for link, asked in self._links.items():
            if what in asked:
                link.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        self._links[writer] = b""
        from_engine, to_engine = await asyncio.open_unix_connection(ENGINE_SOCKET)
        back = asyncio.create_task(copy(from_engine, writer, self._disguised))
        try:
            while piece := await _read(reader):
                await self.gate.wait()
                self._requests.append(piece)
                self._links[writer] = piece
                if self._is_to_fail(piece):
                    await stop(back)
                    silently = self.mutes is not None
                    back = asyncio.create_task(swallow(from_engine, writer, silently=silently))
                    self.loses = None
                to_engine.write(piece)
        finally:
            await stop(back)
            to_engine.close()
            del self._links[writer]
            self.open_connections -= 1
            writer.close()

    def _disguised(self, piece: bytes) -> bytes:
        return piece if self.poses_as is None else piece.replace(*self.poses_as)

    def _is_to_fail(self, piece: bytes) -> bool:
        return any(what is not None and what in piece for what in (self.loses, self.mutes))


@asynccontextmanager
async def an_engine_proxy() -> AsyncGenerator[EngineProxy]:
    with tempfile.TemporaryDirectory() as folder:
        proxy = EngineProxy(Path(folder) / "engine.sock")
        server = await asyncio.start_unix_server(proxy.serve, proxy.path)
        try:
            yield proxy
        finally:
            server.close()
            await until(lambda: proxy.open_connections == 0)


async def copy(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    told: Callable[[bytes], bytes] = bytes,
) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(PIECE_BYTES):
            writer.write(told(piece))
            await writer.drain()
    writer.close()


async def swallow(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, silently: bool
) -> None:
    await reader.read(PIECE_BYTES)
    if not silently:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(PIECE_BYTES)
    except ConnectionError:
        return b""


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(
    holds: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 10
) -> None:
    """Looks again until it holds, for what sends no signal; fails at the deadline."""
    async with asyncio.timeout(seconds):
        while not await _answer(holds()):  # noqa: ASYNC110 - there is no signal to wait for
            await asyncio.sleep(0.01)


async def _answer(result: "bool | Awaitable[bool]") -> bool:
    return result if isinstance(result, bool) else await result
