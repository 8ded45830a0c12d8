"""Opens the engine that the settings name."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adapters.docker import DockerEngine, EngineAddress
from api.settings import Settings


@asynccontextmanager
async def engine(settings: Settings) -> AsyncGenerator[DockerEngine]:
    address = EngineAddress(
        docker_host=settings.engine.host or None,
        tls_verify=settings.engine.tls_verify,
        certificates=settings.engine.cert_path or None,
    )
    async with await DockerEngine.open(
        address,
        network_pool=settings.engine.network_pool,
        log_bytes=settings.storage.max_log_bytes,
    ) as opened:
        yield opened
