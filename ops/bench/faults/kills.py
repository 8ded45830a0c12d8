"""Kill the service's processes again and again under load, then judge what is left."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import msgspec

from ops.bench.faults.client import CarefulClient
from ops.bench.faults.engine import PrivateEngine, newest_image, private_engine
from ops.bench.faults.engine_diary import EngineDiary
from ops.bench.faults.judge import Verdict, judge
from ops.bench.faults.killer import Killer, Plan
from ops.bench.faults.load import Load
from tests.support.service import HandRun

IMAGES = "eulermaker/base"


class KillsReport(msgspec.Struct, frozen=True, kw_only=True):
    kills: Counter[str]
    by_themselves: list[str]
    statuses_lost: int
    seconds: float
    verdict: Verdict


async def run_kills(
    count: int, *, containers: int, builds: int, seed: int, keep: Path | None = None
) -> KillsReport:
    """keep: where the data directory is copied to, for those who look for the cause."""
    image = await newest_image(IMAGES)
    with tempfile.TemporaryDirectory(prefix="em-faults-") as directory:
        async with private_engine([image]) as engine:
            service = HandRun(Path(directory), engine=engine.host, base_image=image)
            try:
                await service.prepare()
                return await _kill_under_load(
                    service,
                    engine,
                    Plan(count, seed),
                    lambda client: Load(
                        client, seed=seed, image=image, containers=containers, builds=builds
                    ),
                )
            finally:
                await service.stop()
                if keep is not None:
                    await asyncio.to_thread(copytree, directory, keep, symlinks=True)


async def _kill_under_load(
    service: HandRun,
    engine: PrivateEngine,
    plan: Plan,
    load_on: Callable[[CarefulClient], Load],
) -> KillsReport:
    killer = Killer(service, plan)
    began = time.monotonic()
    async with (
        CarefulClient(service.address, service.key) as client,
        EngineDiary(engine) as diary,
    ):
        load = load_on(client)
        await load.until(killer.run())
        verdict = await judge(service.owner_url, engine, diary, client.seen)
    return KillsReport(
        kills=killer.done,
        by_themselves=killer.by_themselves,
        statuses_lost=killer.statuses_lost,
        seconds=time.monotonic() - began,
        verdict=verdict,
    )
