"""Servers and the engine go away under load and come back; so does the service."""

import asyncio

import pytest

from ops.bench.faults.engine import EngineFailed
from ops.bench.faults.restarts import RestartsReport, run_restarts
from tests.support.faults import needs_an_engine_of_its_own

TRIES = 2
TIMES = 2
PARTS = {"postgres", "redis", "docker killed", "docker restarted"}


@needs_an_engine_of_its_own
@pytest.mark.timeout(900)
def test_the_service_recovers_from_the_loss_of_each_server_without_a_wrong_answer() -> None:
    report = _report()
    if report is None:
        pytest.skip("Docker itself did not come back from being killed: nothing to judge")

    assert {outage.part for outage in report.outages} == PARTS
    assert len(report.outages) == TIMES * len(PARTS)
    assert report.verdict.wrong == []


def _report() -> RestartsReport | None:
    """None where the engine of our own cannot be started again, whatever we do: it is not ours."""
    for _ in range(TRIES):
        try:
            return asyncio.run(run_restarts(TIMES, containers=3, builds=1, seed=2))
        except* EngineFailed as failed:
            print(*failed.exceptions, sep="\n")  # noqa: T201 - for whoever asks why
    return None
