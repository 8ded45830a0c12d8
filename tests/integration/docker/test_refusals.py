"""What an engine will never do is refused for good, whatever the engine calls it."""

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


@on_docker
async def test_a_user_that_the_image_does_not_have_is_refused_for_good(bench: Bench) -> None:
    name = await bench.created(user="nosuch")
    with pytest.raises(EngineRefused, match="unable to find user nosuch"):
        await bench.engine.start(name)


@on_docker
async def test_a_working_directory_that_is_a_file_is_refused_for_good(bench: Bench) -> None:
    with pytest.raises(EngineRefused, match="is not a directory"):
        await bench.engine.create(bench.spec(working_directory="/etc/passwd"))
