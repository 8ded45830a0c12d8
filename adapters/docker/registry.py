"""Whether an image could be pulled, as the engine learns it from the image's registry."""

import asyncio
from http import HTTPStatus

from adapters.docker.errors import Reply
from adapters.docker.images import registry_auth
from adapters.docker.streams import StreamClient, StreamRequest, reply_of

ANSWER_SECONDS = 5
# A registry that says so has the image, or may have it in a moment.
_PASSING = ("toomanyrequests", "received unexpected http status: 5")


async def why_unobtainable(streams: StreamClient, reference: str) -> str | None:
    """None where it can be pulled, or where nobody can tell. Raises EngineError."""
    request = StreamRequest(
        path=f"/distribution/{reference}/json",
        headers=await asyncio.to_thread(registry_auth, reference),
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS), streams.open(request) as response:
            return _reason(await reply_of(response))
    except TimeoutError:
        return _unreachable(f"it did not answer within {ANSWER_SECONDS} s")


def _reason(reply: Reply) -> str | None:
    if reply.ok or any(word in reply.message.lower() for word in _PASSING):
        return None
    if reply.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return "The engine does not have it, and its registry does not have it for us."
    return _unreachable(reply.message)


def _unreachable(reason: str) -> str:
    return (
        "The engine does not have it and cannot reach its registry:"
        f" load the image by `docker load` or `docker import`. ({reason})"
    )
