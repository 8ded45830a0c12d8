"""Now and then erases what nothing refers to: secret values, blobs, files of broken-off appends.

One works at a time, for the sake of the disks only: two would do each other no harm.
"""

from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry, Counter

from api.workers.loops import Wakeable, Worker, WorkerLock
from domain.application.collect_blobs import BlobCollector
from domain.application.sweep_secrets import SecretSweep

FIRST_SECONDS = 60.0
PERIOD_SECONDS = 3_600.0

log = structlog.get_logger(__name__)


RemoveLogFiles = Callable[[], Awaitable[int]]
"""Of appends that were never finished; how many are gone."""


class SweeperMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.erased = Counter(
            "eulermaker_erased", "Erased because nothing refers to it.", ["kind"],
            registry=registry,
        )  # fmt: skip
        self.blob_bytes = Counter(
            "eulermaker_erased_blob_bytes", "Bytes of the erased blobs.", registry=registry
        )


class Sweeper(Worker):
    def __init__(
        self,
        *,
        lock: WorkerLock,
        secrets: SecretSweep,
        blobs: BlobCollector,
        remove_log_files: RemoveLogFiles,
        metrics: SweeperMetrics,
    ) -> None:
        super().__init__("sweeper")
        self._lock = lock
        self._secrets = secrets
        self._blobs = blobs
        self._remove_log_files = remove_log_files
        self._metrics = metrics

    async def run(self) -> None:
        async with self._lock() as lock:
            await lock.wait(FIRST_SECONDS)  # a start has enough to do
            while True:
                await self._sweep(lock)
                await lock.wait(PERIOD_SECONDS)

    async def _sweep(self, lock: Wakeable) -> None:
        self._count("secret", await self._secrets.sweep())
        await lock.wait(0.0)
        for collected in await self._blobs.collect():
            self._count("blob", collected.count, tenant=collected.tenant, size=collected.size)
            self._metrics.blob_bytes.inc(collected.size)
        await lock.wait(0.0)
        self._count("log file", await self._remove_log_files())

    def _count(self, kind: str, count: int, **more: object) -> None:
        self._metrics.erased.labels(kind).inc(count)
        if count:
            log.info("erased what nothing refers to", kind=kind, count=count, **more)
