"""The roles of the program, each for any number of processes: serve, project, work.

A role runs until it is cancelled, and then ends in good order.
"""

# Each role loads only what it needs: a start is mostly loading.
# ruff: noqa: PLC0415

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from adapters.postgres.queries import PostgresQueries
from api.bootstrap import Core, core
from api.logging import configure_logging
from api.metrics import side_door
from api.settings import Settings
from api.workers.loops import Worker


async def serve(settings: Settings) -> None:
    """Answer requests and feed live streams."""
    from api.engines import engine
    from api.http.server import HttpServer
    from api.http_parts import http_parts

    configure_logging(settings.logging)
    async with core(settings, "serve") as parts, engine(settings) as docker, _queries(parts) as q:
        server = HttpServer(http_parts(parts, docker, q))
        await server.start()
        try:
            await asyncio.Event().wait()
        finally:
            await server.stop()


async def project(settings: Settings) -> None:
    """Keep the read models up to the log."""
    from api.metrics import ProjectionMetrics
    from api.workers.projector import Projector

    configure_logging(settings.logging)
    async with core(settings, "project") as parts:
        report = ProjectionMetrics(parts.registry).report
        projector = Projector(parts.database_url, parts.tail, report=report)
        await _work(parts, (projector,), settings.metrics.project_port)


async def work(settings: Settings) -> None:
    """React to events, carry out effects, watch the engine."""
    from api.engines import engine
    from api.worker_parts import installation, workers

    configure_logging(settings.logging)
    async with core(settings, "work") as parts, engine(settings) as docker, _queries(parts) as q:
        chosen = workers(parts, docker, q, await installation(parts))
        await _work(parts, chosen, settings.metrics.work_port)


@asynccontextmanager
async def _queries(parts: Core) -> AsyncGenerator[PostgresQueries]:
    queries = PostgresQueries(parts.database_url)
    await queries.start()
    try:
        yield queries
    finally:
        await queries.stop()


async def _work(parts: Core, workers: Sequence[Worker], metrics_port: int) -> None:
    host = parts.settings.server.host
    async with side_door(parts.registry, host, metrics_port), AsyncExitStack() as stack:
        for worker in workers:
            stack.push_async_callback(worker.stop)
            await worker.start()
        await asyncio.gather(*(worker.ended() for worker in workers))
