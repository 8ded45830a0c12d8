"""A local socket for an engine behind ssh: each connection is one `docker system dial-stdio`.

The system's ssh keeps its own keys, known hosts and jump hosts; this only carries bytes.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path

PIECE_BYTES = 256 * 1024
END_SECONDS = 5


class SshRelay:
    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._folder: Path | None = None
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """The path of the socket, in a folder that only we may enter."""
        self._folder = Path(tempfile.mkdtemp(prefix="eulermaker-ssh-"))
        path = self._folder / "engine.sock"
        self._server = await asyncio.start_unix_server(self._accept, path, limit=PIECE_BYTES)
        return str(path)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._server = self._folder = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            pass  # only stop() cancels, and asyncio's server logs what we raise
        finally:
            writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        process = await asyncio.create_subprocess_exec(
            "ssh",
            *("-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
            *("-o", "ServerAliveInterval=15", "--", self._destination),
            *("docker", "system", "dial-stdio"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=PIECE_BYTES,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        there = asyncio.create_task(_copy(reader, process.stdin))
        back = asyncio.create_task(_copy(process.stdout, writer))
        try:
            # HTTP clients do not half-close: whichever end goes first, the other is of no use.
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            await _end(process)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(PIECE_BYTES):
            writer.write(piece)
            await writer.drain()
    except (ConnectionError, BrokenPipeError):
        return


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
