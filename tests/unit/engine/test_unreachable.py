"""Why an engine cannot be reached, without what only a programmer understands."""

import asyncio
from pathlib import Path

import pytest

from adapters.docker import DockerEngine, EngineAddress
from domain.errors import EngineUnavailable
from tests.support.ports import free_port


def reason(address: EngineAddress) -> str:
    async def ask() -> None:
        async with await DockerEngine.open(address) as engine:
            await engine.identity()

    with pytest.raises(EngineUnavailable) as unavailable:
        asyncio.run(ask())
    return str(unavailable.value)


def test_a_closed_port_is_told_in_the_words_of_the_system() -> None:
    said = reason(EngineAddress(docker_host=f"tcp://127.0.0.1:{free_port()}"))
    assert said == "The engine cannot be reached: Connection refused"


def test_a_missing_socket_is_told_in_the_words_of_the_system(tmp_path: Path) -> None:
    said = reason(EngineAddress(docker_host=f"unix://{tmp_path}/docker.sock"))
    assert said == "The engine cannot be reached: No such file or directory"


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    host = f"tcp://127.0.0.1:{free_port()}"
    said = reason(EngineAddress(docker_host=host, certificates=str(tmp_path)))
    assert said == f"The engine cannot be reached: DOCKER_CERT_PATH lacks {tmp_path}/ca.pem"
