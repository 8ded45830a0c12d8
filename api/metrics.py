"""What every role measures, and the small door through which roles without an API show it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from domain.application.command_handler import CommandHandler
from domain.errors import DomainError
from domain.event import Command, CommandContext, Receipt
from domain.ports import EventStore
from projections.queries import ProjectionStatus

ASK_SECONDS = 2.0


class MeasuredCommandHandler(CommandHandler):
    def __init__(self, store: EventStore, registry: CollectorRegistry) -> None:
        super().__init__(store)
        self._results = Counter(
            "eulermaker_commands", "Commands by what became of them.", ("command", "result"),
            registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "eulermaker_command_seconds", "From a command to its durable answer.", ("command",),
            registry=registry,
        )  # fmt: skip
        self._children: dict[tuple[str, bool], tuple[Counter, Histogram]] = {}

    async def handle(
        self, command: Command, context: CommandContext, *, expected_version: int | None = None
    ) -> Receipt:
        name, begun = type(command).__name__, time.perf_counter()
        try:
            receipt = await super().handle(command, context, expected_version=expected_version)
        except DomainError as error:
            self._results.labels(name, type(error).__name__).inc()
            raise
        answered, seconds = self._of_answered(name, receipt.replayed)
        answered.inc()
        seconds.observe(time.perf_counter() - begun)
        return receipt

    def _of_answered(self, name: str, replayed: bool) -> tuple[Counter, Histogram]:  # noqa: FBT001 - of a receipt
        """Kept, as commands are few: to look one up by its labels costs more than to count it."""
        found = self._children.get((name, replayed))
        if found is None:
            result = "replayed" if replayed else "accepted"
            found = self._results.labels(name, result), self._seconds.labels(name)
            self._children[name, replayed] = found
        return found


class ProjectionMetrics:
    """Is given the state of all projections from time to time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("projection", "version")
        self._lag = Gauge(
            "eulermaker_projection_lag", "Events it has not seen.", labels, registry=registry
        )
        self._dead = Gauge(
            "eulermaker_projection_dead_letters", "Events it could not use.", labels,
            registry=registry,
        )  # fmt: skip

    def report(self, statuses: Sequence[ProjectionStatus]) -> None:
        self._lag.clear()
        self._dead.clear()
        for status in statuses:
            self._lag.labels(status.name, str(status.version)).set(status.lag)
            self._dead.labels(status.name, str(status.version)).set(status.dead_letters)


@asynccontextmanager
async def side_door(registry: CollectorRegistry, host: str, port: int) -> AsyncGenerator[None]:
    """/metrics and /healthz on a port of its own; port 0: none."""
    if not port:
        yield
        return

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", health)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await runner.cleanup()


async def metrics_of_others(addresses: Sequence[str]) -> bytes:
    """What the roles at these `host:port` show; whoever does not answer is left out."""
    timeout = aiohttp.ClientTimeout(total=ASK_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        texts = await asyncio.gather(*(_ask(session, address) for address in addresses))
    return b"".join(texts)


async def _ask(session: aiohttp.ClientSession, address: str) -> bytes:
    try:
        async with session.get(f"http://{address}/metrics") as response:
            return await response.read() if response.ok else b""
    except (aiohttp.ClientError, TimeoutError):
        return b""
