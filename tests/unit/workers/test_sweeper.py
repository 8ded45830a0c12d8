"""What nothing refers to is erased by the service itself, and counted."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from adapters.memory.blob_references import InMemoryBlobReferences
from adapters.memory.effects import InMemoryEffectStore
from adapters.system import TimeOrderedIds
from api.workers import sweeper
from api.workers.sweeper import Sweeper, SweeperMetrics
from domain.application.collect_blobs import BlobCollector
from domain.application.sweep_secrets import SecretSweep
from domain.errors import StoreUnavailable
from domain.event import DEFAULT_TENANT
from tests.support.installation import Installation, Lock, run
from tests.support.waiting import until

OLD_SECONDS = 2 * 86_400.0


class LogFiles:
    """Two files of broken-off appends; refuses: calls that fail first."""

    def __init__(self, refuses: int = 0) -> None:
        self._refuses = refuses
        self.calls = 0

    async def remove_orphans(self) -> int:
        self.calls += 1
        if self.calls <= self._refuses:
            raise StoreUnavailable("The database is away.")
        return 2


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "FIRST_SECONDS", 0.0)


def _sweeper(at: Installation, log_files: LogFiles, registry: CollectorRegistry) -> Sweeper:
    return Sweeper(
        lock=Lock(InMemoryEffectStore()).held,
        secrets=SecretSweep(secrets=at.secrets, handler=at.handler, clock=at.clock),
        blobs=BlobCollector(
            store=at.store,
            blobs=at.blobs,
            references=InMemoryBlobReferences(),
            handler=at.handler,
            clock=at.clock,
            ids=TimeOrderedIds(),
            installation="ours",
            unused_for=timedelta(days=1),
        ),
        remove_log_files=log_files.remove_orphans,
        metrics=SweeperMetrics(registry),
    )


def test_each_kind_is_swept_and_counted() -> None:
    async def body(at: Installation) -> None:
        registry, log_files = CollectorRegistry(), LogFiles()
        digest = await at.keep(b"12345")
        at.blobs.age(DEFAULT_TENANT, digest, OLD_SECONDS)
        reference, _ = await at.secrets.put(DEFAULT_TENANT, "value", owner="container-never")
        at.secrets.age(reference, OLD_SECONDS)

        def erased(kind: str) -> float | None:
            return registry.get_sample_value("eulermaker_erased_total", {"kind": kind})

        async with at.at_work(_sweeper(at, log_files, registry)):
            await until(lambda: bool(erased("log file")))
        kinds = ("secret", "blob", "log file")
        assert [erased(kind) for kind in kinds] == [1, 1, 2]
        assert registry.get_sample_value("eulermaker_erased_blob_bytes_total") == 5

    run(body)


def test_a_sweep_that_broke_off_is_tried_again() -> None:
    async def body(at: Installation) -> None:
        log_files = LogFiles(refuses=1)
        async with at.at_work(_sweeper(at, log_files, CollectorRegistry())):
            await until(lambda: log_files.calls == 2)

    run(body)
