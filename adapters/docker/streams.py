"""Long answers and uploads over aiohttp, each on a connection of its own that is always closed.

Connections are never reused: one that was left in the middle of a stream must not serve the next
call, and closing it is how the engine learns that nobody listens any more.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from adapters.docker.address import Endpoint
from adapters.docker.control import ControlClient
from adapters.docker.errors import Reply, broken

CONNECT_SECONDS = 10
READ_BUFFER_BYTES = 1024 * 1024
CHUNK_BYTES = 256 * 1024


class StreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """silence_seconds: how long the engine may send nothing; None for streams that may rest."""

    method: str = "GET"
    path: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    silence_seconds: float | None = None


class StreamClient:
    def __init__(self, endpoint: Endpoint, control: ControlClient) -> None:
        self._endpoint = endpoint
        self._control = control
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @asynccontextmanager
    async def open(
        self, request: StreamRequest, *, body: AsyncIterator[bytes] | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Raises as a control call would, at the opening and while the answer is read."""
        upload = Upload(body) if body else None
        try:
            response = await self._send(request, upload)
            try:
                yield response
            finally:
                response.close()
        except (aiohttp.ClientError, OSError) as error:
            if upload and upload.failure:  # it was not the engine that failed
                raise upload.failure from error
            raise broken(error) from error

    async def _send(
        self, request: StreamRequest, upload: "Upload | None"
    ) -> aiohttp.ClientResponse:
        version = await self._control.api_version()
        tar = {"Content-Type": "application/x-tar"} if upload else {}
        return await self._connected().request(
            request.method,
            f"{self._endpoint.url}/v{version}{request.path}",
            params=request.query,
            headers={**request.headers, **tar},
            data=upload.pieces() if upload else None,
            # The engine answers before it wants the body, so a refusal costs no upload.
            expect100=upload is not None,
            timeout=aiohttp.ClientTimeout(
                sock_connect=CONNECT_SECONDS, sock_read=request.silence_seconds
            ),
        )

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_connector(self._endpoint),
                auto_decompress=False,
                read_bufsize=READ_BUFFER_BYTES,
            )
        return self._session


class Upload:
    """A body that remembers why it broke off, as the HTTP client would not."""

    def __init__(self, body: AsyncIterator[bytes]) -> None:
        self._body = body
        self.failure: Exception | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._body:
                yield piece
        except Exception as failure:
            self.failure = failure
            raise


async def reply_of(response: aiohttp.ClientResponse) -> Reply:
    return Reply(response.status, await response.read())


def _connector(endpoint: Endpoint) -> aiohttp.BaseConnector:
    if endpoint.socket:
        return aiohttp.UnixConnector(endpoint.socket, limit=0, force_close=True)
    if endpoint.certificates:
        return aiohttp.TCPConnector(ssl=endpoint.certificates.context(), limit=0, force_close=True)
    return aiohttp.TCPConnector(limit=0, force_close=True)
