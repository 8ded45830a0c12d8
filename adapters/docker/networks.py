"""Networks by name. Engines before 25 take one name several times, so we look before and after."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec

from adapters.docker import wire
from adapters.docker.control import ControlClient
from adapters.docker.errors import refused
from domain.errors import EngineConflict
from domain.ports import EngineNetwork


class Networks:
    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def ensure(self, name: str, *, labels: dict[str, str]) -> None:
        found = await self._named(name)
        if not found:
            await self._create(name, labels)
            found = await self._named(name)
        oldest, *duplicates = found
        if not labels.items() <= (oldest.labels or {}).items():
            raise EngineConflict(f"There is another network {name}, which is not ours.")
        for network in duplicates:
            await self._delete(network.id)

    async def remove(self, name: str) -> None:
        for network in await self._named(name):
            await self._delete(network.id)

    async def list(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        found = await self._matching({"label": [f"{key}={value}" for key, value in labels.items()]})
        return [EngineNetwork(name=each.name, labels=each.labels or {}) for each in found]

    async def _create(self, name: str, labels: dict[str, str]) -> None:
        reply = await self._control.call(
            "POST",
            "/networks/create",
            body={"Name": name, "CheckDuplicate": True, "Driver": "bridge", "Labels": labels},
        )
        if not reply.ok and reply.status != HTTPStatus.CONFLICT:
            raise refused(reply)

    async def _named(self, name: str) -> Sequence[wire.NetworkReply]:
        """Oldest first. The engine's filter also finds names that only contain this one."""
        networks = await self._matching({"name": [name]})
        same = [network for network in networks if network.name == name]
        return sorted(same, key=lambda network: (network.created, network.id))

    async def _matching(self, filters: Mapping[str, Sequence[str]]) -> Sequence[wire.NetworkReply]:
        query = {"filters": msgspec.json.encode(filters).decode()}
        reply = await self._control.call("GET", "/networks", query=query)
        if not reply.ok:
            raise refused(reply)
        return msgspec.json.decode(reply.body, type=tuple[wire.NetworkReply, ...])

    async def _delete(self, network_id: str) -> None:
        reply = await self._control.call("DELETE", f"/networks/{network_id}")
        if reply.ok or reply.status == HTTPStatus.NOT_FOUND:
            return
        if reply.status == HTTPStatus.FORBIDDEN:
            raise EngineConflict(f"The network is in use: {reply.message}")
        raise refused(reply)
