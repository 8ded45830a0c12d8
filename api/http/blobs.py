"""Content by its digest: streamed in, streamed out, never held whole."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from aiohttp import ClientPayloadError, web

from api.http import errors as e
from api.http.call import Answered, Call
from api.http.decoding import Nothing
from api.http.streaming import streaming
from domain.errors import BlobMissing
from domain.ports import BlobStat

CHUNK_BYTES = 262_144
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

_UNSAFE = re.compile(r"[^A-Za-z0-9_.+~^-]")


async def upload_blob(call: Call[Nothing, Nothing]) -> Answered[BlobStat]:
    limit = call.parts.settings.storage.max_blob_bytes
    if (call.request.content_length or 0) > limit:
        raise e.Rejected(e.BODY_TOO_LARGE, f"A file has at most {limit} bytes.")
    if call.request.headers.get("Content-Encoding", "identity") != "identity":
        raise e.Rejected(e.UNSUPPORTED_MEDIA_TYPE, "Send the bytes without Content-Encoding.")
    stat = await call.parts.blobs.put(call.tenant, _received(call), limit_bytes=limit)
    return Answered(body=stat, status=201, headers={"Location": f"/v1/blobs/{stat.digest}"})


async def get_blob(call: Call[Nothing, Nothing]) -> web.StreamResponse:
    digest = call.request.match_info["digest"]
    if not DIGEST.fullmatch(digest):
        raise e.Rejected(e.UNKNOWN_ID, "A digest is sha256: and 64 hexadecimal digits.")
    return await send_blob(call, digest)


async def send_blob(call: Call[Any, Any], digest: str, *, name: str = "") -> web.StreamResponse:
    """Damage that is found on the way breaks the connection: no client takes it for the whole.

    HEAD is asked by who is about to name it in a build: it must not be deleted for its age then.
    """
    only_asked = call.request.method == "HEAD"
    find = call.parts.blobs.touch if only_asked else call.parts.blobs.stat
    stat = await find(call.tenant, digest)
    if stat is None:
        raise BlobMissing(digest)
    response = web.StreamResponse(headers={"ETag": f'"{digest}"', "X-Content-Digest": digest})
    response.content_type = "application/octet-stream"
    response.content_length = stat.size
    if name:
        response.headers["Content-Disposition"] = attachment(name)
    async with streaming(call, response) as stream:
        if not only_asked:
            async for chunk in call.parts.blobs.read(call.tenant, digest):
                await stream.write(chunk)
    return response


def attachment(name: str) -> str:
    """RFC 6266, for whatever name: older events hold names that nobody checked."""
    plain = _UNSAFE.sub("_", name)
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, '', errors='replace')}"


async def _received(call: Call[Any, Any]) -> AsyncIterator[bytes]:
    pause = call.parts.settings.server.body_timeout_seconds
    while True:
        try:
            async with asyncio.timeout(pause):
                chunk = await call.request.content.read(CHUNK_BYTES)
        except TimeoutError as error:
            raise e.Rejected(e.BODY_TIMEOUT, "Send the file without long pauses.") from error
        except (ClientPayloadError, ConnectionResetError) as error:
            raise e.Rejected(e.TRUNCATED_BODY, "Send as many bytes as announced.") from error
        if not chunk:
            return
        yield chunk
