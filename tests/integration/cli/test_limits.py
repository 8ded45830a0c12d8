"""A change of some limits keeps the others, however lately those were asked for."""

from typing import Any

import pytest

from domain.containers import events as c
from domain.containers.spec import MEBIBYTE
from projections.answer import Answer
from projections.containers import ContainerDetails
from tests.integration.cli.test_words import NOON, command
from tests.integration.http.support import Service, run
from tests.support.appends import an_append

MORE_MEMORY = {"memory_bytes": 1024 * MEBIBYTE}
BOTH = {**MORE_MEMORY, "cpu_millis": 2_000, "pids": 256}


async def a_running_container(service: Service) -> str:
    made = await service.a_container("web")
    cid: str = made["id"]
    started = c.ContainerStarted(container_id=cid, intent=made["version"], started_at=NOON)
    await service.store.append(an_append(f"container-{cid}", started))
    return cid


async def asked_last(service: Service, container_id: str) -> dict[str, int]:
    last = (await service.get(f"/v1/containers/{container_id}/history"))["items"][-1]
    assert last["type"] == "ContainerLimitsChangeRequested"
    limits: dict[str, int] = last["data"]["limits"]
    return limits


def test_a_change_keeps_what_one_that_still_waits_asked_for() -> None:
    async def story(service: Service) -> None:
        cid = await a_running_container(service)
        for option in (("--memory", "1G"), ("--cpus", "2")):
            result = await command(service, "container", "limits", "web", *option)
            assert (result.exit_code, result.stdout) == (0, f"{cid}: limits is recorded.\n")
        assert await asked_last(service, cid) == BOTH

    run(story)


class LaggingReads:
    """A container as it was, for whoever asks for no position."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self._read = service.parts.queries.get_container
        self._old: Answer[ContainerDetails | None] | None = None
        monkeypatch.setattr(service.parts.queries, "get_container", self._get)

    async def stop(self, container_id: str) -> None:
        self._old = await self._read("default", container_id)

    async def _get(self, *which: str, min_position: int) -> Any:
        return await self._read(*which, min_position=min_position) if min_position else self._old


def test_a_change_keeps_what_a_read_model_that_lags_does_not_show_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(service: Service) -> None:
        cid = await a_running_container(service)
        await LaggingReads(service, monkeypatch).stop(cid)
        await service.post(f"/v1/containers/{cid}/limits", MORE_MEMORY)
        result = await command(service, "container", "limits", "web", "--cpus", "2")
        assert result.exit_code == 0, result.output
        assert await asked_last(service, cid) == BOTH

    run(story)
