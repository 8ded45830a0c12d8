"""Answers written piece by piece, for as long as the client takes them and its key counts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiohttp import web

from api.http.app_keys import OPEN_STREAMS
from api.http.auth import AuthenticationError
from api.http.call import Call
from api.http.open_streams import SEND_SECONDS
from domain.errors import BlobDamaged, BlobMissing, DomainError

WRITE_BYTES = 131_072
"""At once: a client that takes some kilobytes a second is slow, but it is not dropped."""

_log = structlog.get_logger()


class Interrupted(Exception):
    """The service stops. What is streamed has not ended, and must not look as if it had."""


class Stream:
    def __init__(self, call: Call[Any, Any], response: web.StreamResponse) -> None:
        self._call = call
        self._response = response

    async def write(self, piece: bytes) -> None:
        """Raises AuthenticationError, TimeoutError, ConnectionResetError."""
        view = memoryview(piece)
        for start in range(0, len(view), WRITE_BYTES):
            await self._call.recheck()
            async with asyncio.timeout(SEND_SECONDS):
                await self._response.write(view[start : start + WRITE_BYTES])

    async def end(self) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._response.write_eof()


@asynccontextmanager
async def streaming(call: Call[Any, Any], response: web.StreamResponse) -> AsyncGenerator[Stream]:
    """What fails on the way breaks the connection: no client takes a part for the whole.

    Raises Rejected before anything is sent.
    """
    with call.request.app[OPEN_STREAMS].admit(call.principal.key_id):
        await response.prepare(call.request)
        stream = Stream(call, response)
        try:
            yield stream
            await stream.end()
        except ConnectionResetError:
            pass  # the client has seen enough
        except (DomainError, AuthenticationError, Interrupted, TimeoutError) as error:
            if isinstance(error, BlobDamaged | BlobMissing):
                _log.error("stored content is unusable", path=call.request.path, error=str(error))
            if call.request.transport is not None:
                call.request.transport.abort()
