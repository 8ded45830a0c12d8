"""Networks by name. Engines before 25 take one name several times, so we look before and after."""

from http import HTTPStatus

import msgspec

from adapters.docker import wire
from adapters.docker.control import ControlClient
from adapters.docker.errors import refused
from domain.errors import EngineConflict


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

    async def _create(self, name: str, labels: dict[str, str]) -> None:
        reply = await self._control.call(
            "POST",
            "/networks/create",
            body={"Name": name, "CheckDuplicate": True, "Driver": "bridge", "Labels": labels},
        )
        if not reply.ok and reply.status != HTTPStatus.CONFLICT:
            raise refused(reply)

    async def _named(self, name: str) -> list[wire.NetworkReply]:
        """Oldest first. The engine's filter also finds names that only contain this one."""
        filters = msgspec.json.encode({"name": [name]}).decode()
        reply = await self._control.call("GET", "/networks", query={"filters": filters})
        if not reply.ok:
            raise refused(reply)
        networks = msgspec.json.decode(reply.body, type=list[wire.NetworkReply])
        same = [network for network in networks if network.name == name]
        return sorted(same, key=lambda network: (network.created, network.id))

    async def _delete(self, network_id: str) -> None:
        reply = await self._control.call("DELETE", f"/networks/{network_id}")
        if reply.ok or reply.status == HTTPStatus.NOT_FOUND:
            return
        if reply.status == HTTPStatus.FORBIDDEN:
            raise EngineConflict(f"The network is in use: {reply.message}")
        raise refused(reply)
