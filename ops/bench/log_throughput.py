"""A log that is written as fast as it goes, from the engine to a client that follows it.

Ours: the engine, the `work` role, the log store, the `serve` role, a following HTTP client. The
peer: `docker logs --follow` to /dev/null. Once both while the container writes, and once both when
it has ended, so that nothing but the reading is measured: `work` is held until then.
"""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec

from api.cli.client import ApiClient
from api.cli.wire import Accepted
from api.http.containers import ContainerRequest
from domain.containers.spec import ContainerSpec, Limits
from domain.processes.naming import container_name
from ops.bench import engine_peers
from ops.bench.awaited import wait_for
from ops.bench.report import Section
from ops.bench.rounds import Compared
from ops.bench.service import ALL_ROLES, RunningService, running_service

TO_REACH = 0.5
MEBIBYTE = 1024 * 1024
LINE = "checking whether the C compiler accepts the flags that were given to it just now... yes"
FOLLOW_SECONDS = 600
LIMITS = Limits(cpu_millis=2_000)


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """MiB a second."""

    ours_live: float
    docker_live: float
    ours_ended: float
    docker_ended: float


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    mebibytes, rounds = (20, 1) if quick else (200, 3)
    with running_service(*ALL_ROLES) as service:
        found = asyncio.run(_rounds(service, mebibytes, rounds))
    live = Compared([each.ours_live for each in found], [each.docker_live for each in found])
    ended = Compared([each.ours_ended for each in found], [each.docker_ended for each in found])
    return Section(
        title="build log from the engine to a following client, beside `docker logs --follow`",
        to_reach=f"{TO_REACH} of it, of the same container",
        reached=ended.ratio >= TO_REACH,
        lines=(
            f"- the same container, ended: {_shown(ended)}",
            f"- two like it, while they write: {_shown(live)}",
            f"- {rounds} rounds of {mebibytes} MiB in lines of {len(LINE) + 1} bytes",
        ),
    )


def _shown(rates: Compared) -> str:
    return (
        f"ours {rates.our_median:.1f} MiB/s, `docker logs --follow` {rates.peer_median:.1f} MiB/s;"
        f" ratio {rates.shown_ratio}"
    )


async def _rounds(service: RunningService, mebibytes: int, rounds: int) -> list[Rates]:
    async with ApiClient(service.address) as client:
        return [await _round(service, client, mebibytes * MEBIBYTE) for _ in range(rounds)]


async def _round(service: RunningService, client: ApiClient, size: int) -> Rates:
    image = os.environ["EULERMAKER_TEST_BASE_IMAGE"]
    command = ("sh", "-c", f"yes '{LINE}' | head -c {size}")
    wanted = ContainerSpec(image=image, name="bench", command=command, limits=LIMITS)
    first = await _start(client, wanted)
    ours_live = await _follow(client, first, size)
    await _remove(client, first)
    docker_live = await asyncio.to_thread(_docker_logs_live, image, command, size)
    second = await _start(client, wanted)
    with _held(service.processes["work"]):
        await asyncio.to_thread(_wait_for_end, second)
        docker_ended = await asyncio.to_thread(_docker_logs, _engine_name(second), size)
    ours_ended = await _follow(client, second, size)
    await _remove(client, second)
    return Rates(
        ours_live=ours_live,
        docker_live=docker_live,
        ours_ended=ours_ended,
        docker_ended=docker_ended,
    )


async def _start(client: ApiClient, spec: ContainerSpec) -> str:
    """Its id, once it runs. Its name is its own: the one before may not be removed yet."""
    named = msgspec.structs.replace(spec, name=f"{spec.name}-{uuid4().hex}")
    async with client.websocket("/v1/events", {"types": "ContainerStarted"}) as socket:
        answer = await client.command("/v1/containers", ContainerRequest(spec=named))
        identifier = msgspec.json.decode(answer, type=Accepted).id
        await wait_for(socket, f"container-{identifier}")
    return identifier


async def _remove(client: ApiClient, identifier: str) -> None:
    await client.command(f"/v1/containers/{identifier}", method="DELETE", query={"force": "true"})


@contextmanager
def _held(process: int) -> Generator[None]:
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def _engine_name(identifier: str) -> str:
    return container_name(identifier, 1)


def _wait_for_end(identifier: str) -> None:
    engine_peers.sdk().wait(_engine_name(identifier), timeout=FOLLOW_SECONDS)


async def _follow(client: ApiClient, identifier: str, size: int) -> float:
    """From the first byte to the last: neither the start of the container nor its end is in it.

    An answer that ends while the log is still being stored is resumed, as any client would.
    """
    received, began = 0, 0.0
    path = f"/v1/containers/{identifier}/log"
    async with asyncio.timeout(FOLLOW_SECONDS):
        while received < size:
            query: dict[str, str | int | None] = {"follow": "true", "offset": received}
            async with client.open(path, query) as response:
                async for piece in response.content.iter_any():
                    began = began or time.perf_counter()
                    received += len(piece)
                    if received >= size:
                        break
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
