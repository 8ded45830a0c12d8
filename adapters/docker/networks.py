"""Networks by name. Engines before 25 take one name several times, so we look before and after."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from ipaddress import IPv4Network
from itertools import islice

import msgspec

from adapters.docker import wire
from adapters.docker.control import ControlClient
from adapters.docker.errors import Reply, refused
from adapters.docker.subnets import SubnetPool
from domain.errors import EngineConflict, EngineRefused
from domain.ports import EngineNetwork

RACES = 20
"""How many subnets may turn out to be taken between our look and our call."""
OVERLAPS = "pool overlaps"


class Networks:
    def __init__(self, control: ControlClient, pool: SubnetPool) -> None:
        self._control = control
        self._pool = pool

    async def ensure(self, name: str, *, labels: dict[str, str], hosts: int) -> None:
        found = await self._named(name)
        if not found:
            await self._create(name, labels, hosts)
            found = await self._named(name)
        oldest, *duplicates = found
        if not labels.items() <= (oldest.labels or {}).items():
            raise EngineConflict(f"There is another network {name}, which is not ours.")
        for network in duplicates:
            await self._delete(network.id)

    async def join(self, container: str, name: str) -> None:
        """Force lets the container leave a network that is not there any more."""
        for verb, body in (
            ("disconnect", {"Container": container, "Force": True}),
            ("connect", {"Container": container}),
        ):
            reply = await self._control.call("POST", f"/networks/{name}/{verb}", body=body)
            if not reply.ok:
                raise refused(reply)

    async def remove(self, name: str) -> None:
        for network in await self._named(name):
            await self._delete(network.id)

    async def list(self, labels: dict[str, str]) -> Sequence[EngineNetwork]:
        found = await self._matching({"label": [f"{key}={value}" for key, value in labels.items()]})
        return [EngineNetwork(name=each.name, labels=each.labels or {}) for each in found]

    async def _create(self, name: str, labels: dict[str, str], hosts: int) -> None:
        taken = [subnet for network in await self._matching({}) for subnet in network.subnets]
        for subnet in islice(self._pool.free(name, hosts, taken), RACES):
            reply = await self._create_in(subnet, name, labels)
            if reply.ok or reply.status == HTTPStatus.CONFLICT:
                return
            if OVERLAPS not in reply.message.lower():
                raise refused(reply)
        raise EngineRefused(
            f"No subnet of {self._pool} is free for another network: remove containers with"
            " isolated networks, or set engine.network_pool to a larger range."
        )

    async def _create_in(self, subnet: IPv4Network, name: str, labels: dict[str, str]) -> Reply:
        return await self._control.call(
            "POST",
            "/networks/create",
            body={
                "Name": name,
                "CheckDuplicate": True,
                "Driver": "bridge",
                "IPAM": {"Driver": "default", "Config": [{"Subnet": str(subnet)}]},
                "Labels": labels,
            },
        )

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
