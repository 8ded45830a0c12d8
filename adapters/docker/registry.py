"""Whether an image could be pulled, as the engine learns it from the image's registry."""

import asyncio

import structlog

from adapters.docker.errors import Reply
from adapters.docker.images import registry_auth
from adapters.docker.streams import StreamClient, StreamRequest, reply_of

ANSWER_SECONDS = 5
# A registry that says so has the image, or may have it in a moment.
_PASSING = ("toomanyrequests", "received unexpected http status: 5")
# The same words for all reasons: what the engine met on the network is not for clients to explore.
_NOT_TO_BE_HAD = (
    "The engine does not have it, and it is not to be had from its registry: check the name, or"
    " load the image by `docker load` or `docker import`."
)

_log = structlog.get_logger("docker")


async def why_unobtainable(streams: StreamClient, reference: str) -> str | None:
    """None where it can be pulled, or where nobody can tell. Raises EngineError."""
    request = StreamRequest(
        path=f"/distribution/{reference}/json",
        headers=await asyncio.to_thread(registry_auth, reference),
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS), streams.open(request) as response:
            reason = _reason(await reply_of(response))
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS} s"
    if reason is None:
        return None
    _log.info("an image is not to be had", image=reference, reason=reason)
    return _NOT_TO_BE_HAD


def _reason(reply: Reply) -> str | None:
    if reply.ok or any(word in reply.message.lower() for word in _PASSING):
        return None
    return reply.message
