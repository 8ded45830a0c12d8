"""The life of a container: each call, and what the engine's answers to it mean."""

import asyncio
import re
from collections.abc import Set as AbstractSet
from http import HTTPStatus

import msgspec

from adapters.docker import wire
from adapters.docker.container_spec import create_body, update_body
from adapters.docker.control import CALL_SECONDS, ControlClient, Query
from adapters.docker.errors import Reply, refused
from domain.containers.spec import Limits
from domain.errors import (
    ContainerNotFound,
    EngineConflict,
    EngineError,
    EngineOutcomeUnknown,
    EngineRefused,
    EngineUnavailable,
    ImageNotFound,
    NetworkNotFound,
)
from domain.ports import EngineContainer, EngineContainerSpec, EngineListing

START_SECONDS = 120
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_PERHAPS_AN_ID = re.compile(r"[0-9a-f]{1,64}")
_LOST_NETWORK = re.compile(r"network \S+ not found")
_FAILURES = HTTPStatus.INTERNAL_SERVER_ERROR
_LEAVING = frozenset({"removing", "dead"})


def container_path(name: str, verb: str = "") -> str:
    """Only our names are addresses. The engine would also take the first digits of any id."""
    if not _NAME.fullmatch(name) or _PERHAPS_AN_ID.fullmatch(name):
        raise EngineRefused(f"{name!r} cannot be told from a container's id. Choose another name.")
    return f"/containers/{name}{verb}"


class Containers:
    def __init__(self, control: ControlClient, *, log_bytes: int) -> None:
        self._control = control
        self._log_bytes = log_bytes

    async def create(self, spec: EngineContainerSpec) -> EngineContainer:
        container_path(spec.name)
        reply = await self._control.call(
            "POST",
            "/containers/create",
            query={"name": spec.name},
            body=create_body(spec, log_bytes=self._log_bytes),
            timeout_seconds=START_SECONDS,
        )
        if reply.ok:
            return await self._present(spec.name)
        if reply.status == HTTPStatus.NOT_FOUND:
            raise ImageNotFound(spec.image, reply.message)
        if reply.status == HTTPStatus.CONFLICT:
            return await self._adopt(spec, reply)
        raise refused(reply)

    async def start(self, name: str) -> EngineContainer:
        reply = await self._post(name, "/start", timeout_seconds=START_SECONDS)
        await self._settle(name, reply, done={"running"})
        return await self._present(name)

    async def stop(self, name: str, *, grace_seconds: int) -> EngineContainer:
        reply = await self._post(
            name, "/stop", {"t": str(grace_seconds)}, timeout_seconds=grace_seconds + CALL_SECONDS
        )
        await self._settle(name, reply, done={"exited", "created"})
        return await self._present(name)

    async def pause(self, name: str) -> None:
        await self._settle(name, await self._post(name, "/pause"), done={"paused"})

    async def unpause(self, name: str) -> None:
        reply = await self._post(name, "/unpause")
        if "is not paused" in reply.message:  # which the engine calls a failure of its own
            reply = Reply(HTTPStatus.CONFLICT, reply.body)
        await self._settle(name, reply, done={"running"})

    async def kill(self, name: str, *, signal: str) -> None:
        signal = signal.removeprefix("SIG")
        reply = await self._post(name, "/kill", {"signal": f"SIG{signal}"})
        # Who is dead is killed, but has not got any other signal.
        await self._settle(name, reply, done=wire.ENDED if signal == "KILL" else frozenset())

    async def update(self, name: str, limits: Limits) -> None:
        reply = await self._post(name, "/update", body=update_body(limits))
        await self._settle(name, reply, done=set())

    async def remove(self, name: str, *, force: bool) -> None:
        """With the anonymous volumes that its image asked for."""
        reply = await self._control.call(
            "DELETE",
            container_path(name),
            query={"force": str(int(force)), "v": "1"},
            timeout_seconds=START_SECONDS,
        )
        if reply.ok or reply.status == HTTPStatus.NOT_FOUND:
            return
        found = await self.inspect(name) if reply.status == HTTPStatus.CONFLICT else None
        if found and found.status in _LEAVING:
            raise EngineOutcomeUnknown(f"The engine is still removing {name}")
        if found or reply.status != HTTPStatus.CONFLICT:
            raise refused(reply)

    async def inspect(self, name: str) -> EngineContainer | None:
        return await self._inspect(container_path(name, "/json"))

    async def list(self, labels: dict[str, str]) -> EngineListing:
        """One inspection each: the engine's list knows neither exit codes nor precise times."""
        filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
        reply = await self._control.call(
            "GET",
            "/containers/json",
            query={"all": "1", "filters": msgspec.json.encode(filters).decode()},
        )
        if not reply.ok:
            raise refused(reply)
        listed = msgspec.json.decode(reply.body, type=list[wire.ListedContainer])
        looks = await asyncio.gather(
            *(self._inspect(f"/containers/{each.id}/json") for each in listed),
            return_exceptions=True,
        )
        return EngineListing.of(dict(zip((each.name for each in listed), looks, strict=True)))

    async def refusal(self, name: str, reply: Reply) -> EngineError:
        """The error for an answer about a container, or about something in it."""
        if reply.status == HTTPStatus.NOT_FOUND and await self.inspect(name) is None:
            return ContainerNotFound(name)
        return refused(reply)

    async def _post(
        self,
        name: str,
        verb: str,
        query: Query | None = None,
        *,
        body: object = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Reply:
        path = container_path(name, verb)
        return await self._control.call(
            "POST", path, query=query, body=body, timeout_seconds=timeout_seconds
        )

    async def _inspect(self, path: str) -> EngineContainer | None:
        reply = await self._control.call("GET", path)
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        if not reply.ok:
            raise refused(reply)
        return wire.container(reply.body)

    async def _present(self, name: str) -> EngineContainer:
        """The container after a call that was made: if it cannot be seen, nobody knows."""
        try:
            found = await self.inspect(name)
        except EngineUnavailable as error:
            raise EngineOutcomeUnknown(str(error)) from error
        if found is None:
            raise ContainerNotFound(name)
        return found

    async def _settle(self, name: str, reply: Reply, *, done: AbstractSet[str]) -> None:
        """A refusal or a failure is no error when the container is where it was to go."""
        if reply.ok:
            return
        found = await self._present(name)
        if _LOST_NETWORK.search(reply.message):
            raise NetworkNotFound(reply.message)
        undecided = reply.status == HTTPStatus.CONFLICT or reply.status >= _FAILURES
        if not (undecided and found.status in done):
            raise refused(reply)

    async def _adopt(self, spec: EngineContainerSpec, reply: Reply) -> EngineContainer:
        found = await self.inspect(spec.name)
        if found is None:  # the name is reserved by a call that has not ended yet, or just freed
            raise EngineOutcomeUnknown(reply.message)
        if not _is_same(spec.labels, found.labels):
            raise EngineConflict(f"{spec.name} exists and is not ours: {reply.message}")
        if found.status in _LEAVING:
            raise EngineOutcomeUnknown(f"The engine is still removing the old {spec.name}")
        return found


def _is_same(wanted: dict[str, str], found: dict[str, str]) -> bool:
    """Whether every label of ours agrees; an image may have brought others."""
    ours = {key: value for key, value in wanted.items() if key.startswith(wire.OURS)}
    return bool(ours) and ours.items() <= found.items()
