"""Wires the parts of the HTTP face."""

from adapters.docker import DockerEngine
from adapters.postgres import projection_check
from adapters.postgres.identities import PostgresIdentities
from adapters.postgres.projection_registry import ProjectionRegistry
from adapters.postgres.queries import PostgresQueries
from adapters.redis.tickets import RedisTickets
from api.bootstrap import Core
from api.http.parts import Comparison, HttpParts, ReadinessCheck, Tickets
from api.http.tickets import InMemoryTickets
from api.image_check import EngineImages
from api.machine_check import EngineMachine
from api.readiness import ENGINE_PART
from domain.application.aggregates import BINDING
from domain.application.command_handler import CommandHandler
from domain.engines.binding import ENGINE, Binding
from domain.event import DEFAULT_TENANT

MAX_LAG = 1_000


def http_parts(core: Core, docker: DockerEngine, queries: PostgresQueries) -> HttpParts:
    tickets: Tickets = InMemoryTickets() if core.redis is None else RedisTickets(core.redis)
    return HttpParts(
        settings=core.settings,
        handler=core.handler,
        store=core.store,
        queries=queries,
        tail=core.tail,
        blobs=core.blobs,
        logs=core.logs,
        log_wake_ups=core.log_wake_ups,
        secrets=core.secrets,
        identities=PostgresIdentities(core.pool),
        rate_limits=core.rate_limits,
        tickets=tickets,
        images=EngineImages(docker),
        machine=EngineMachine(docker),
        projections=Projections(core.database_url),
        clock=core.clock,
        ids=core.ids,
        readiness={
            "the event log": _log_answers(core),
            "the read models": _read_models_are_near(queries),
            ENGINE_PART: engine_is_ours(core.handler),
        },
        registry=core.registry,
    )


class Projections:
    """Implements `api.http.parts.ProjectionControl`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._registry = ProjectionRegistry(url)

    async def rebuild(self, name: str) -> int:
        return await self._registry.rebuild(name)

    async def compare(self, name: str, version: int) -> Comparison:
        found = await projection_check.compare(self._url, name, version)
        return Comparison(
            name=found.name,
            active_version=found.version,
            version=found.other_version,
            equal=found.equal,
            rows=found.rows,
            differences=found.keys,
        )

    async def switch(self, name: str, version: int) -> None:
        await self._registry.switch(name, version)


def _log_answers(core: Core) -> ReadinessCheck:
    async def check() -> str | None:
        await core.store.head()
        return None

    return check


def engine_is_ours(handler: CommandHandler) -> ReadinessCheck:
    """By what the worker found when it last asked. Everybody may read this: it names no engine."""

    async def check() -> str | None:
        binding: Binding | None = (await handler.load(BINDING, DEFAULT_TENANT, ENGINE)).state
        if binding is None or binding.foreign is None:
            return None
        return (
            "another engine answers than the one that this installation is bound to, so nothing "
            "is done. Correct DOCKER_HOST, or rebind: eulermaker engine show"
        )

    return check


def _read_models_are_near(queries: PostgresQueries) -> ReadinessCheck:
    async def check() -> str | None:
        active = [each for each in await queries.list_projections() if each.active]
        if not active:
            return "no read model exists yet: does a project role run?"
        behind = [f"{each.name} is {each.lag} behind" for each in active if each.lag > MAX_LAG]
        return ", ".join(behind) or None

    return check
