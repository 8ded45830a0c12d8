"""Images of the engine: find, tag, pull, and keep a container as one."""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from docker import auth

from adapters.docker import wire
from adapters.docker.containers import Containers
from adapters.docker.control import ControlClient
from adapters.docker.errors import Reply, refused
from adapters.docker.events import lines_of
from adapters.docker.streams import StreamClient, StreamRequest, reply_of
from domain.errors import EngineOutcomeUnknown, EngineRefused, ImageNotFound
from domain.ports import EngineImage

COMMIT_SECONDS = 900
PULL_SECONDS = 1_500  # an effect has 1,800, and must be able to say what took so long
PULL_SILENCE_SECONDS = 300
# What registries say when asking again is useless: it is not there, or not for us. A registry that
# cannot be reached says nothing; where there is none, `registry.why_unobtainable` tells beforehand.
_USELESS = ("not found", "denied", "unauthorized", "manifest unknown", "name unknown")
_LOGINS: Any = auth  # its stubs leave out the types


class Images:
    def __init__(
        self, control: ControlClient, streams: StreamClient, containers: Containers
    ) -> None:
        self._control = control
        self._streams = streams
        self._containers = containers

    async def find(self, reference: str) -> EngineImage | None:
        reply = await self._control.call("GET", f"/images/{reference}/json")
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        if not reply.ok:
            raise refused(reply)
        return wire.image(reply.body)

    async def tag(self, image: str, tag: str) -> None:
        repository, name = split_tag(tag)
        reply = await self._control.call(
            "POST", f"/images/{image}/tag", query={"repo": repository, "tag": name}
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            raise ImageNotFound(image, reply.message)
        if not reply.ok:
            raise refused(reply)

    async def commit(self, name: str, *, tag: str, labels: dict[str, str]) -> EngineImage:
        repository, version = split_tag(tag)
        reply = await self._control.call(
            "POST",
            "/commit",
            query={"container": name, "repo": repository, "tag": version, "pause": "1"},
            body={"Labels": labels},
            timeout_seconds=COMMIT_SECONDS,
        )
        if not reply.ok:
            raise await self._containers.refusal(name, reply)
        return await self._present(msgspec.json.decode(reply.body, type=wire.CreatedReply).id)

    async def pull(self, reference: str) -> EngineImage:
        try:
            async with asyncio.timeout(PULL_SECONDS):
                await self._pull(reference)
        except TimeoutError as error:
            raise EngineOutcomeUnknown(f"Pulling {reference} took too long") from error
        return await self._present(reference)

    async def _pull(self, reference: str) -> None:
        request = StreamRequest(
            method="POST",
            path="/images/create",
            query=_pull_query(reference),
            headers=await asyncio.to_thread(registry_auth, reference),
            silence_seconds=PULL_SILENCE_SECONDS,
        )
        async with self._streams.open(request) as response:
            if not response.ok:
                raise _pull_failure(reference, await reply_of(response))
            async for line in lines_of(response.content.iter_any()):
                error = msgspec.json.decode(line, type=wire.ProgressReply).error
                if error:
                    raise _pull_failure(reference, Reply(HTTPStatus.BAD_GATEWAY, error.encode()))

    async def _present(self, reference: str) -> EngineImage:
        found = await self.find(reference)
        if found is None:
            raise ImageNotFound(reference, "it was here a moment ago")
        return found


def split_tag(reference: str) -> tuple[str, str]:
    repository, colon, name = reference.rpartition(":")
    if not colon or "/" in name:
        return reference, "latest"
    if "@" in repository:
        raise EngineRefused(f"{reference} is a digest: an image cannot be given one.")
    return repository, name


def _pull_query(reference: str) -> dict[str, str]:
    if "@" in reference:
        return {"fromImage": reference}
    repository, name = split_tag(reference)  # without a tag the engine would pull every one
    return {"fromImage": repository, "tag": name}


def _pull_failure(reference: str, reply: Reply) -> ImageNotFound | EngineOutcomeUnknown:
    """A registry that fails half-way is no reason to give up for good."""
    reason = reply.message
    permanent = reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if permanent or any(word in reason.lower() for word in _USELESS):
        return ImageNotFound(reference, reason)
    return EngineOutcomeUnknown(f"Pulling {reference} failed: {reason}")


def registry_auth(reference: str) -> dict[str, str]:
    """What `docker login` left on this machine for the registry of that image."""
    registry, _ = auth.resolve_repository_name(reference)
    credentials: object = _LOGINS.resolve_authconfig(_LOGINS.load_config(), registry)
    return {"X-Registry-Auth": _LOGINS.encode_header(credentials).decode()} if credentials else {}
