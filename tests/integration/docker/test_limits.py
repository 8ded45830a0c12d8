"""The engine tells how large its machine is, and refuses more processors than that for good."""

import pytest

from adapters.docker import DockerEngine
from domain.containers.spec import Limits
from domain.errors import EngineRefused
from tests.support.container_engines import Bench, on_docker


@on_docker
async def test_more_processors_than_the_machine_has_are_refused_for_good(bench: Bench) -> None:
    assert isinstance(bench.engine, DockerEngine)
    size = await bench.engine.size()
    assert size.memory_bytes > 2**20
    created = await bench.engine.create(bench.spec())
    with pytest.raises(EngineRefused, match="CPUs"):
        await bench.engine.update(created.name, Limits(cpu_millis=(size.processors + 1) * 1_000))
