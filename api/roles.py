"""The roles of the program, each for any number of processes: serve, project, work.

A role runs until it is cancelled, and then ends in good order.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from aiohttp import web

from adapters.postgres.queries import PostgresQueries
from api import bootstrap
from api.http.app import create_app
from api.http_parts import http_parts
from api.logging import configure_logging
from api.metrics import ProjectionMetrics, side_door
from api.settings import Settings
from api.workers.loops import Worker
from api.workers.projector import Projector

log = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Answer requests and feed live streams."""
    configure_logging(settings.logging)
    async with (
        bootstrap.core(settings, "serve") as core,
        bootstrap.engine(settings) as docker,
        _queries(core) as queries,
    ):
        app = create_app(http_parts(core, docker, queries))
        await _serve(app, settings)


async def project(settings: Settings) -> None:
    """Keep the read models up to the log."""
    configure_logging(settings.logging)
    async with bootstrap.core(settings, "project") as core:
        report = ProjectionMetrics(core.registry).report
        async with side_door(core.registry, settings.server.host, settings.metrics.project_port):
            await _work((Projector(core.database_url, core.tail, report=report),))


async def work(settings: Settings) -> None:
    """React to events, carry out effects, watch the engine."""
    configure_logging(settings.logging)
    async with (
        bootstrap.core(settings, "work") as core,
        bootstrap.engine(settings) as docker,
        _queries(core) as queries,
    ):
        installed_as = await bootstrap.installation(core)
        async with side_door(core.registry, settings.server.host, settings.metrics.work_port):
            await _work(bootstrap.workers(core, docker, queries, installed_as))


@asynccontextmanager
async def _queries(core: bootstrap.Core) -> AsyncIterator[PostgresQueries]:
    queries = PostgresQueries(core.database_url)
    await queries.start()
    try:
        yield queries
    finally:
        await queries.stop()


async def _work(workers: Sequence[Worker]) -> None:
    async with AsyncExitStack() as stack:
        for worker in workers:
            stack.push_async_callback(worker.stop)
            await worker.start()
        await asyncio.Event().wait()


async def _serve(app: web.Application, settings: Settings) -> None:
    server = settings.server
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=server.shutdown_seconds
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, server.host, server.port)
        await site.start()
        log.info("serving", host=server.host, port=server.port)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
