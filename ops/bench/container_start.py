"""A container from the request to its ContainerStarted event at a client, beside the docker SDK."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from docker import APIClient

from api.cli.client import ApiClient
from api.cli.wire import Accepted
from api.http.containers import ContainerRequest
from domain.containers.spec import ContainerSpec, Limits
from ops.bench import engine_peers
from ops.bench.awaited import wait_for
from ops.bench.report import Section
from ops.bench.rounds import Compared, percentile
from ops.bench.service import ALL_ROLES, running_service

RATIO, EXTRA_SECONDS = 1.15, 0.05
COMMAND = ("sleep", "600")
PAUSE_SECONDS = 0.3


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    rounds = 3 if quick else 30
    with running_service(*ALL_ROLES) as service:
        found = asyncio.run(_rounds(ApiClient(service.address), rounds))
    allowed = RATIO * found.peer_median + EXTRA_SECONDS
    return Section(
        title="container requested to running, beside create, start and inspect by the docker SDK",
        to_reach=f"at most {RATIO}x plus {EXTRA_SECONDS * 1e3:.0f} ms",
        reached=found.our_median <= allowed,
        lines=(
            (
                f"- ours, POST to the ContainerStarted event at a WebSocket client:"
                f" {_shown(found.ours)}"
            ),
            f"- SDK: {_shown(found.peers)}",
            f"- ratio {found.shown_ratio}; allowed were {allowed * 1e3:.0f} ms",
            f"- {rounds} rounds",
        ),
    )


def _shown(seconds: Sequence[float]) -> str:
    return (
        f"p50 {percentile(seconds, 50) * 1e3:.0f} ms, p99 {percentile(seconds, 99) * 1e3:.0f} ms,"
        f" smallest {min(seconds) * 1e3:.0f} ms"
    )


async def _rounds(client: ApiClient, rounds: int) -> Compared:
    image = os.environ["EULERMAKER_TEST_BASE_IMAGE"]
    ours: list[float] = []
    theirs: list[float] = []
    async with client, _events(client) as socket:
        peer = engine_peers.sdk()
        for number in range(-1, rounds):
            once = (
                await _ours(client, socket, image, f"bench-{number + 1}"),
                await asyncio.to_thread(_theirs, peer, image),
            )
            if number >= 0:
                ours.append(once[0])
                theirs.append(once[1])
    return Compared(ours, theirs)


@asynccontextmanager
async def _events(client: ApiClient) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    wanted = "ContainerStarted,ContainerRemoved,ContainerOperationFailed"
    async with client.websocket("/v1/events", {"types": wanted}) as socket:
        yield socket


async def _ours(
    client: ApiClient, socket: aiohttp.ClientWebSocketResponse, image: str, name: str
) -> float:
    request = ContainerRequest(spec=ContainerSpec(image=image, name=name, command=COMMAND))
    began = time.perf_counter()
    answer = await client.command("/v1/containers", request)
    identifier = msgspec.json.decode(answer, type=Accepted).id
    await _wait(socket, identifier, "ContainerStarted")
    took = time.perf_counter() - began
    await client.command(f"/v1/containers/{identifier}", method="DELETE", query={"force": "true"})
    await _wait(socket, identifier, "ContainerRemoved")
    await asyncio.sleep(PAUSE_SECONDS)
    return took


async def _wait(socket: aiohttp.ClientWebSocketResponse, identifier: str, event_type: str) -> None:
    event = await wait_for(socket, f"container-{identifier}")
    if event.type != event_type:
        raise RuntimeError(f"Instead of {event_type} came {event.type}")


def _theirs(client: APIClient, image: str) -> float:
    began = time.perf_counter()
    container = engine_peers.create(client, image, COMMAND, Limits())
    try:
        client.start(container)
        client.inspect_container(container)  # pyright: ignore[reportUnknownMemberType] - the stubs
        took = time.perf_counter() - began
    finally:
        engine_peers.remove(client, container)
    time.sleep(PAUSE_SECONDS)
    return took
