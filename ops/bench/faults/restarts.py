"""Kill PostgreSQL, Redis and the engine under load; the service must recover by itself."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import copytree, ignore_patterns

import aiohttp
import msgspec

from ops.bench.faults.client import CarefulClient
from ops.bench.faults.engine import PrivateEngine, newest_image, private_engine
from ops.bench.faults.engine_diary import EngineDiary
from ops.bench.faults.evidence import log_types
from ops.bench.faults.judge import Verdict, judge
from ops.bench.faults.load import Load
from tests.support.service import Up, postmaster, redis_server, running_up

IMAGES = "eulermaker/base"
BETWEEN_SECONDS = 6.0
AWAY_SECONDS = 1.0
RECOVERY_SECONDS = 90.0
AFTERGLOW_SECONDS = 5.0
LOOK_SECONDS = 0.1
OK = 200
KEPT_OUT = ignore_patterns("run")  # sockets

Fault = Callable[[], Awaitable[None]]


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """From the kill until everything answered again."""

    part: str
    began: float
    ended: float


class RestartsReport(msgspec.Struct, frozen=True, kw_only=True):
    outages: list[Outage]
    verdict: Verdict

    def longest(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for outage in self.outages:
            seconds = outage.ended - outage.began
            found[outage.part] = max(found.get(outage.part, 0.0), seconds)
        return found


async def run_restarts(
    count: int, *, containers: int, builds: int, seed: int, keep: Path | None = None
) -> RestartsReport:
    """count: of each of the four faults. keep: where the data directory is copied to."""
    image = await newest_image(IMAGES)
    with tempfile.TemporaryDirectory(prefix="em-faults-") as name:
        directory = Path(name)
        async with (
            private_engine([image]) as engine,
            running_up(
                directory, engine=engine.host, base_image=image, output=directory / "up.log"
            ) as service,
            CarefulClient(service.address, service.key) as client,
            EngineDiary(engine) as diary,
        ):
            load = Load(client, image=image, containers=containers, builds=builds, seed=seed)
            breaker = Breaker(service, engine)
            await load.until(breaker.run(count))
            owner_url = await service.owner_url()
            verdict = await judge(owner_url, engine, diary, client.seen)
            verdict.count("times the engine lost all its networks", engine.networks_forgotten)
            _judge_unavailable(verdict, client, breaker.outages, directory / "logs" / "serve.log")
            await _judge_gaps(verdict, owner_url, breaker.outages)
            if keep is not None:
                await asyncio.to_thread(copytree, directory, keep, ignore=KEPT_OUT)
            return RestartsReport(outages=breaker.outages, verdict=verdict)


class Breaker:
    def __init__(self, service: Up, engine: PrivateEngine) -> None:
        self._service = service
        self._engine = engine
        self.outages: list[Outage] = []

    async def run(self, count: int) -> None:
        faults: dict[str, Fault] = {
            "postgres": self._kill_postgres,
            "redis": self._kill_redis,
            "docker killed": self._kill_engine,
            "docker restarted": self._restart_engine,
        }
        for number in range(count):
            for part, fault in faults.items():
                await asyncio.sleep(BETWEEN_SECONDS)  # of load on a whole service
                began = time.time()
                await fault()
                await self._until_ready()
                self.outages.append(Outage(part=part, began=began, ended=time.time()))
                print(f"{number + 1:4} {part}", file=sys.stderr, flush=True)
        await asyncio.sleep(BETWEEN_SECONDS)

    async def _kill_postgres(self) -> None:
        killed = postmaster(self._service.directory)
        os.kill(killed, signal.SIGKILL)
        await _until(lambda: postmaster(self._service.directory) != killed)

    async def _kill_redis(self) -> None:
        killed = redis_server(self._service.directory)
        os.kill(killed, signal.SIGKILL)
        await _until(lambda: redis_server(self._service.directory) != killed)

    async def _kill_engine(self) -> None:
        await self._engine.stop(signal.SIGKILL)
        await asyncio.sleep(AWAY_SECONDS)
        await self._engine.start()

    async def _restart_engine(self) -> None:
        await self._engine.stop()
        await asyncio.sleep(AWAY_SECONDS)
        await self._engine.start()

    async def _until_ready(self) -> None:
        async with aiohttp.ClientSession() as session, asyncio.timeout(RECOVERY_SECONDS):
            while True:
                async with session.get(f"{self._service.address}/readyz") as response:
                    if response.status == OK:
                        return
                await asyncio.sleep(LOOK_SECONDS)


async def _until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            try:
                if reached():
                    return
            except (OSError, ValueError, IndexError):
                pass  # its file is just being written
            await asyncio.sleep(LOOK_SECONDS)


def _judge_unavailable(
    verdict: Verdict, client: CarefulClient, outages: list[Outage], log: Path
) -> None:
    """Only without PostgreSQL is there nothing to answer from."""
    without = [(o.began, o.ended + AFTERGLOW_SECONDS) for o in outages if o.part == "postgres"]
    outside = Counter(
        f"{kind} {_since(moment, outages)}"
        for moment, kind in client.seen.unavailable
        if not any(began <= moment <= ended for began, ended in without)
    )
    verdict.none_of("answers 503 while PostgreSQL was there", list(outside.items()))
    if outside:
        told = [line for line in log.read_text().splitlines() if "log unavailable" in line]
        verdict.none_of("reasons that the service had for any 503", told)


def _since(moment: float, outages: list[Outage]) -> str:
    """The last outage that had begun by then, and how long before."""
    began, part = max(
        ((o.began, o.part) for o in outages if o.began <= moment), default=(moment, "the beginning")
    )
    return f"{moment - began:.0f} s after {part}"


async def _judge_gaps(verdict: Verdict, owner_url: str, outages: list[Outage]) -> None:
    gaps = (await log_types(owner_url))["ObservationGapRecorded"]
    expected = sum(outage.part.startswith("docker") for outage in outages)
    verdict.count("gaps in observation recorded", gaps)
    missing = [f"{gaps} for {expected} restarts of the engine"] if gaps < expected else []
    verdict.none_of("gaps in observation missing", missing)
