"""A log that is written as fast as it goes, from the engine to a client that follows it.

Ours: the engine, the `work` role, the log store, the `serve` role, a following HTTP client. The
peer: `docker logs --follow` to /dev/null, of the same container when it has ended, and of another
one like it while it writes.
"""

import asyncio
import os
import subprocess
import time
from pathlib import Path

import msgspec

from api.cli.client import ApiClient
from api.cli.wire import Accepted
from api.http.containers import ContainerRequest
from domain.containers.spec import ContainerSpec, Limits
from ops.bench import engine_peers
from ops.bench.report import Section
from ops.bench.rounds import Compared
from ops.bench.service import ALL_ROLES, running_service

TO_REACH = 0.5
MEBIBYTE = 1024 * 1024
LINE = "checking whether the C compiler accepts the flags that were given to it just now... yes"
FOLLOW_SECONDS = 600
LIMITS = Limits(cpu_millis=2_000)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """MiB a second. stored: of the log read again once it has ended."""

    ours: float
    stored: float
    ended: float
    live: float


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    mebibytes, rounds = (20, 1) if quick else (300, 5)
    with running_service(*ALL_ROLES) as service:
        found = asyncio.run(_rounds(ApiClient(service.address), mebibytes, rounds))
    ours = [each.ours for each in found]
    live = Compared(ours, [each.live for each in found])
    ended = Compared(ours, [each.ended for each in found])
    stored = Compared([each.stored for each in found], ended.peers)
    return Section(
        title="build log from the engine to a following client, beside `docker logs --follow`",
        to_reach=f"{TO_REACH} of it, of the same container",
        reached=ended.ratio >= TO_REACH,
        lines=(
            f"- ours, followed while it is written: {live.our_median:.0f} MiB/s",
            (
                f"- `docker logs --follow` of the same container, ended:"
                f" {ended.peer_median:.0f} MiB/s; ratio {ended.shown_ratio}"
            ),
            (
                f"- `docker logs --follow` while such a container writes:"
                f" {live.peer_median:.0f} MiB/s; ratio {live.shown_ratio}"
            ),
            (
                f"- ours, read again once it has ended: {stored.our_median:.0f} MiB/s;"
                f" ratio to `docker logs --follow` {stored.shown_ratio}"
            ),
            f"- {rounds} rounds of {mebibytes} MiB in lines of {len(LINE) + 1} bytes",
        ),
    )


async def _rounds(client: ApiClient, mebibytes: int, rounds: int) -> list[Rates]:
    async with client:
        return [await _round(client, mebibytes, number) for number in range(rounds)]


async def _round(client: ApiClient, mebibytes: int, number: int) -> Rates:
    size = mebibytes * MEBIBYTE
    image = os.environ["EULERMAKER_TEST_BASE_IMAGE"]
    command = ("sh", "-c", f"yes '{LINE}' | head -c {size}")
    spec = ContainerSpec(image=image, name=f"bench-{number}", command=command, limits=LIMITS)
    answer = await client.command("/v1/containers", ContainerRequest(spec=spec))
    identifier = msgspec.json.decode(answer, type=Accepted).id
    ours = await _follow(client, identifier, size)
    stored = await _follow(client, identifier, size)
    ended = await asyncio.to_thread(_docker_logs, f"em-{identifier}-1", size)
    await client.command(f"/v1/containers/{identifier}", method="DELETE", query={"force": "true"})
    live = await asyncio.to_thread(_docker_logs_live, image, command, size)
    return Rates(ours=ours, stored=stored, ended=ended, live=live)


async def _follow(client: ApiClient, identifier: str, size: int) -> float:
    """From the first byte, so that the start of the container is not in it."""
    received, began = 0, 0.0
    path = f"/v1/containers/{identifier}/log"
    async with asyncio.timeout(FOLLOW_SECONDS), client.open(path, {"follow": "true"}) as response:
        async for piece in response.content.iter_any():
            began = began or time.perf_counter()
            received += len(piece)
    if received != size:
        raise RuntimeError(f"{received} of {size} bytes came")
    return size / MEBIBYTE / (time.perf_counter() - began)


def _docker_logs_live(image: str, command: tuple[str, ...], size: int) -> float:
    client = engine_peers.sdk()
    container = engine_peers.create(client, image, command, LIMITS)
    try:
        client.start(container)
        return _docker_logs(container, size)
    finally:
        engine_peers.remove(client, container)


def _docker_logs(container: str, size: int) -> float:
    began = time.perf_counter()
    with Path(os.devnull).open("wb") as nowhere:
        subprocess.run(  # noqa: S603 - a container of ours
            ("docker", "logs", "--follow", container),  # noqa: S607 - wherever docker is
            stdout=nowhere,
            timeout=FOLLOW_SECONDS,
            check=True,
        )
    return size / MEBIBYTE / (time.perf_counter() - began)
