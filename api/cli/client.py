"""The HTTP client of the command line. Every call has a deadline; only what may be repeated is."""

import asyncio
import os
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from api.cli.problems import ServiceRefused, ServiceUnreachable, read_problem, refusal
from api.cli.service_address import ServiceAddress

CONNECT_SECONDS = 5.0
CALL_SECONDS = 60.0
SILENCE_SECONDS = 60.0
LONGEST_LINE_BYTES = 8 * 1024 * 1024
"""Of a long answer: a frame of a log holds a whole chunk, and JSON makes some bytes six."""
TRIES = 5
FIRST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 5.0
TRANSIENT = frozenset({429, 502, 503, 504})
ERROR = 400
BODY_BYTES = 64 * 1024 * 1024

T = TypeVar("T")
Query = Mapping[str, str | int | None]


class ApiClient:
    """Raises ServiceRefused and ServiceUnreachable, which click shows."""

    def __init__(self, service: ServiceAddress) -> None:
        self.url = service.url
        self._headers = {"Authorization": f"Bearer {service.key}"}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, sock_connect=CONNECT_SECONDS)
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=timeout, middlewares=(_tell_why_not_upgraded,)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, query: Query | None = None, *, tries: int = TRIES) -> bytes:
        return await self._call("GET", path, query=query, tries=tries)

    async def read(self, path: str, kind: type[T], query: Query | None = None) -> T:
        return msgspec.json.decode(await self.get(path, query), type=kind)

    async def command(
        self,
        path: str,
        body: object = None,
        *,
        method: str = "POST",
        query: Query | None = None,
        if_version: int | None = None,
    ) -> bytes:
        """Sent with a key of its own, so that repeating it after a lost answer is safe.

        if_version: refused where it is about something that has changed since.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
        if if_version is not None:
            headers["If-Match"] = f'"{if_version}"'
        content = msgspec.json.encode({} if body is None else body)
        return await self._call(method, path, query=query, headers=headers, content=content)

    async def exists(self, path: str) -> bool:
        try:
            await self._call("HEAD", path)
        except ServiceRefused as refused:
            if refused.problem.status == 404:  # noqa: PLR2004 - Not Found
                return False
            raise
        return True

    @asynccontextmanager
    async def open(
        self,
        path: str,
        query: Query | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A long answer, to be read piece by piece; only silence ends it."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        )
        try:
            async with self._open_session.get(
                self.url + path,
                params=_given(query),
                headers=headers,
                timeout=timeout,
                read_bufsize=LONGEST_LINE_BYTES,
            ) as response:
                if response.status >= ERROR:
                    raise refusal(read_problem(response.status, await response.read()))
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnreachable(self.url, _reason(error)) from error

    async def upload(self, path: str, content: AsyncIterator[bytes], *, size: int) -> bytes:
        """Not repeated: the content is read once."""
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=CALL_SECONDS
        )
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            async with self._open_session.post(
                self.url + path, data=content, headers=headers, timeout=timeout
            ) as response:
                return await _answer(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnreachable(self.url, _reason(error)) from error

    @asynccontextmanager
    async def websocket(
        self, path: str, query: Query | None = None
    ) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
        try:
            async with self._open_session.ws_connect(
                self.url + path, params=_given(query), heartbeat=20.0, compress=0
            ) as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            raise refusal(read_problem(error.status, error.message.encode())) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnreachable(self.url, _reason(error)) from error

    @property
    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("The client is used outside its `async with`")
        return self._session

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        tries: int = TRIES,
    ) -> bytes:
        pause = FIRST_PAUSE_SECONDS
        for attempt in range(1, tries + 1):
            try:
                async with self._open_session.request(
                    method, self.url + path, params=_given(query), headers=headers, data=content
                ) as response:
                    if response.status not in TRANSIENT or attempt == tries:
                        return await _answer(response)
                    pause = max(pause, _retry_after(response.headers))
            except (aiohttp.ClientError, TimeoutError) as error:
                if attempt == tries:
                    raise ServiceUnreachable(self.url, _reason(error)) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        raise AssertionError("unreachable")


async def _tell_why_not_upgraded(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """The library closes an answer that refuses a WebSocket without reading what it says."""
    response = await handler(request)
    if "Upgrade" in request.headers and response.status >= ERROR:
        await _answer(response)
    return response


async def _answer(response: aiohttp.ClientResponse) -> bytes:
    body = await response.read()
    if response.status >= ERROR:
        raise refusal(read_problem(response.status, body))
    return body


def _given(query: Query | None) -> dict[str, str]:
    return {name: str(value) for name, value in (query or {}).items() if value is not None}


def _retry_after(headers: Mapping[str, Any]) -> float:
    try:
        return min(float(headers.get("Retry-After", 0)), LONGEST_PAUSE_SECONDS)
    except ValueError:
        return 0.0


def _reason(error: BaseException) -> str:
    """Without what only a programmer understands."""
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its answer broke off"
    if isinstance(error, aiohttp.ClientConnectorError) and error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
