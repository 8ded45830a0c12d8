"""The whole HTTP application on adapters in memory, and clients of every role for it."""

import asyncio
import hashlib
import io
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from prometheus_client import CollectorRegistry

from adapters.memory.blob_store import InMemoryBlobStore
from adapters.memory.event_store import InMemoryEventStore
from adapters.memory.identities import InMemoryIdentities
from adapters.memory.log_store import InMemoryLogStore
from adapters.memory.log_wake_ups import InMemoryLogWakeUps
from adapters.memory.rate_limits import InMemoryRateLimits
from adapters.memory.secret_vault import InMemorySecretVault
from api.http.app import create_app
from api.http.auth import new_key
from api.http.parts import Comparison, HttpParts, ReadinessCheck
from api.http.tickets import InMemoryTickets
from api.settings import Settings
from domain.access.commands import CreateKey
from domain.access.roles import Role
from domain.application.command_handler import CommandHandler
from domain.catalog import EVENT_TYPES
from domain.errors import StoreUnavailable
from domain.event import (
    Append,
    Command,
    CommandContext,
    Event,
    OpaqueEvent,
    Receipt,
    RecordedEvent,
)
from domain.event_types import EventTypes
from domain.ports import EngineSize
from projections.answer import Answer, Page
from projections.audit import AuditRow
from projections.build_rows import BuildDetails, BuildRow, SteppingBuild
from projections.catalog import READ_MODELS, read_model
from projections.containers import ContainerDetails, ContainerRow, LivingContainer, NamedContainer
from projections.errors import ProjectionBehind, ProjectionNotReady
from projections.keys import KeyRow
from projections.queries import EVERYTHING, FIRST, AuditFilter, ProjectionStatus, Slice
from projections.statistics import EventCount
from tests.support.appends import an_append

Client = TestClient[Request, Application]
TENANT = "default"
DEADLINE_SECONDS = 20.0


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    def new(self) -> str:
        return str(uuid.uuid4())


class FromTheFuture(Event, frozen=True, kw_only=True):
    """Of a type that only newer programs know."""


class TailedStore(InMemoryEventStore):
    """A store that is its own tail, and that can be away, or slow.

    turns: how many others get between what was read and what is recorded.
    """

    def __init__(self) -> None:
        super().__init__(EventTypes((*EVENT_TYPES, FromTheFuture)))
        self.away: Exception | None = None
        self.turns = 0
        self.pace_seconds = 0.0
        self._moved = asyncio.Event()

    @property
    def position(self) -> int:
        return len(self._events)

    async def append(self, append: Append) -> Receipt:
        self._check()
        for _ in range(self.turns):
            await asyncio.sleep(0)
        receipt = await super().append(append)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        return receipt

    async def record_unknown(self, stream: str) -> None:
        """As a newer program would: this one can only carry the event."""
        await self.append(an_append(stream, FromTheFuture()))
        opaque = msgspec.structs.replace(self._events[-1], event=OpaqueEvent(raw=b"{}"))
        self._events[-1] = self._streams[TENANT, stream][-1] = opaque

    async def read_stream(
        self, tenant: str, stream: str, *, after_version: int = 0, limit: int = 1_000
    ) -> Sequence[RecordedEvent]:
        self._check()
        return await super().read_stream(tenant, stream, after_version=after_version, limit=limit)

    async def read(self, after: int, limit: int = 1_000) -> Sequence[RecordedEvent]:
        self._check()
        return await self.read_log(after, limit=limit)

    async def wait(self, after: int, timeout_seconds: float) -> int:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.position <= after:
                    await self._moved.wait()
        return self.position

    def _check(self) -> None:
        if self.away is not None:
            raise self.away


class FoldedQueries:
    """Every read model folded from the log when it is asked for."""

    def __init__(self, store: TailedStore) -> None:
        self._store = store

    async def _rows(self, name: str) -> tuple[Any, ...]:
        if self._store.away is not None:
            raise StoreUnavailable
        model, rows = read_model(name), dict[Any, Any]()
        for event in await self._store.read_log(0, limit=100_000):
            key = model.key_of(event)
            row = None if key is None else model.project(rows.get(key), event)
            if row is not None:
                rows[key] = row
        return tuple(rows.values())

    def _stamp(self, name: str, min_position: int) -> dict[str, Any]:
        position = self._store.position
        if min_position > position:
            raise ProjectionBehind(name, position, min_position)
        return {"projection": name, "version": 1, "position": position}

    async def _page(self, name: str, tenant: str, page: Slice, wanted: Mapping[str, Any]) -> Any:
        stamp = self._stamp(name, page.min_position)
        rows = [row for row in await self._rows(name) if row.tenant == tenant]
        for field, value in wanted.items():
            rows = [row for row in rows if value is None or _matches(row, field, value)]
        begin = int(page.after or 0)
        end = begin + page.limit
        after = str(end) if end < len(rows) else None
        return Page(items=tuple(reversed(rows))[begin:end], next=after, **stamp)

    async def _one(self, name: str, tenant: str, field: str, key: str, at_least: int) -> Any:
        stamp = self._stamp(name, at_least)
        rows = [r for r in await self._rows(name) if (r.tenant, getattr(r, field)) == (tenant, key)]
        return Answer(value=rows[0] if rows else None, **stamp)

    async def list_containers(
        self, tenant: str, *, status: Any = None, name: str | None = None, page: Slice = FIRST
    ) -> Page[ContainerRow]:
        wanted = {"status": status, "name": name}
        found: Page[ContainerRow] = await self._page("containers", tenant, page, wanted)
        return found

    async def get_container(
        self, tenant: str, container_id: str, *, min_position: int = 0
    ) -> Answer[ContainerDetails | None]:
        found: Answer[ContainerDetails | None] = await self._one(
            "containers", tenant, "container_id", container_id, min_position
        )
        return found

    async def find_containers_named(
        self, tenant: str, name: str, *, min_position: int = 0
    ) -> Answer[tuple[NamedContainer, ...]]:
        stamp = self._stamp("containers", min_position)
        rows = [r for r in await self._rows("containers") if (r.tenant, r.name) == (tenant, name)]
        named = (NamedContainer(container_id=r.container_id) for r in rows)
        return Answer(value=tuple(named), **stamp)

    async def list_living_containers(
        self, tenant: str | None = None
    ) -> Answer[tuple[LivingContainer, ...]]:
        raise NotImplementedError

    async def list_stepping_builds(
        self, tenant: str | None = None
    ) -> Answer[tuple[SteppingBuild, ...]]:
        raise NotImplementedError

    async def list_builds(
        self, tenant: str, *, phase: Any = None, name: str | None = None, page: Slice = FIRST
    ) -> Page[BuildRow]:
        found: Page[BuildRow] = await self._page(
            "builds", tenant, page, {"phase": phase, "name": name}
        )
        return found

    async def get_build(
        self, tenant: str, build_id: str, *, min_position: int = 0
    ) -> Answer[BuildDetails | None]:
        found: Answer[BuildDetails | None] = await self._one(
            "builds", tenant, "build_id", build_id, min_position
        )
        return found

    async def list_audit(
        self,
        tenant: str,
        *,
        wanted: AuditFilter = EVERYTHING,
        page: Slice = FIRST,
    ) -> Page[AuditRow]:
        fields = {"actor": wanted.actor, "outcome": wanted.outcome, "command": wanted.command}
        found: Page[AuditRow] = await self._page("audit", tenant, page, fields)
        return found

    async def event_statistics(
        self,
        tenant: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        min_position: int = 0,
    ) -> Answer[tuple[EventCount, ...]]:
        stamp = self._stamp("statistics", min_position)
        rows = [r for r in await self._rows("statistics") if r.tenant == tenant]
        chosen = (r for r in rows if _between(r.hour, since, until))
        return Answer(value=tuple(chosen), **stamp)

    async def find_key(self, key_id: str, *, min_position: int = 0) -> KeyRow | None:
        self._stamp("keys", min_position)
        return next((r for r in await self._rows("keys") if r.key_id == key_id), None)

    async def list_keys(self, tenant: str, *, min_position: int = 0) -> Answer[tuple[KeyRow, ...]]:
        stamp = self._stamp("keys", min_position)
        rows = await self._rows("keys")
        return Answer(value=tuple(r for r in rows if r.tenant == tenant), **stamp)

    async def list_projections(self) -> tuple[ProjectionStatus, ...]:
        return tuple(
            ProjectionStatus(
                name=model.name,
                version=1,
                code_version=model.code_version,
                state="active",
                active=True,
                position=self._store.position,
                lag=0,
                dead_letters=0,
                changed_at=datetime.now(UTC),
            )
            for model in READ_MODELS
        )


def _matches(row: object, field: str, value: object) -> bool:
    """A name is what the row's name begins with."""
    found = getattr(row, field)
    return str(found).startswith(str(value)) if field == "name" else found == value


def _between(moment: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or since <= moment) and (until is None or moment < until)


class KnownImages:
    """All but those that are missing."""

    def __init__(self) -> None:
        self.missing = {"missing:1"}

    async def why_missing(self, reference: str) -> str | None:
        return "It is nowhere." if reference in self.missing else None


class KnownMachine:
    """As large as a test says; None: nobody knows."""

    def __init__(self) -> None:
        self.known: EngineSize | None = None

    async def size(self) -> EngineSize | None:
        return self.known


class RebuildingProjections:
    """Raises what the real one does; remembers what it was told."""

    def __init__(self) -> None:
        self.switched: list[tuple[str, int]] = []
        self.next_version = 2
        self.ready = True

    async def rebuild(self, name: str) -> int:
        read_model(name)
        return self.next_version

    async def compare(self, name: str, version: int) -> Comparison:
        read_model(name)
        return Comparison(name=name, active_version=1, version=version, equal=True, rows=0)

    async def switch(self, name: str, version: int) -> None:
        read_model(name)
        if not self.ready:
            raise ProjectionNotReady(name, version, "is still being built")
        self.switched.append((name, version))


class Service:
    """store, blobs, …: the adapters under the application; keys: a token for every role."""

    def __init__(self, settings: Settings, readiness: Mapping[str, ReadinessCheck]) -> None:
        self.store = TailedStore()
        self.handler = CommandHandler(self.store)
        self.blobs = InMemoryBlobStore()
        self.logs = InMemoryLogStore()
        self.wake_ups = InMemoryLogWakeUps()
        self.secrets = InMemorySecretVault()
        self.identities = InMemoryIdentities()
        self.images = KnownImages()
        self.machine = KnownMachine()
        self.projections = RebuildingProjections()
        self.keys: dict[Role, str] = {}
        self.readiness = dict(readiness)
        self.parts = HttpParts(
            settings=settings,
            handler=self.handler,
            store=self.store,
            queries=FoldedQueries(self.store),
            tail=self.store,
            blobs=self.blobs,
            logs=self.logs,
            log_wake_ups=self.wake_ups,
            secrets=self.secrets,
            identities=self.identities,
            rate_limits=InMemoryRateLimits(),
            tickets=InMemoryTickets(),
            images=self.images,
            machine=self.machine,
            projections=self.projections,
            clock=SystemClock(),
            ids=RandomIds(),
            readiness=self.readiness,
            registry=CollectorRegistry(),
        )
        self.client: Client

    async def command(self, command: Command, command_id: str | None = None) -> Receipt:
        """As the rest of the service would."""
        context = CommandContext(
            command_id=command_id or str(uuid.uuid4()),
            correlation_id=str(uuid.uuid4()),
            actor="system:test",
            occurred_at=datetime.now(UTC),
        )
        return await self.handler.handle(command, context)

    async def create_keys(self) -> None:
        for role in Role:
            key = new_key(f"key-{role}")
            self.keys[role] = key.token
            await self.command(
                CreateKey(key_id=f"key-{role}", role=role, secret_sha256=key.secret_sha256)
            )

    def headers(self, role: Role = Role.ADMIN) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[role]}"}

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role = Role.ADMIN,
        headers: Mapping[str, str] | None = None,
    ) -> ClientResponse:
        """body: JSON, or bytes as they are."""
        given = {**self.headers(role), **(headers or {})}
        if body is not None:
            given.setdefault("Content-Type", "application/json")
        content = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        data = None if content is None else io.BytesIO(content)
        return await self.client.request(method, path, data=data, headers=given)

    async def get(self, path: str, *, role: Role = Role.ADMIN) -> Any:
        """The body of an answer that must be a success."""
        response = await self.call("GET", path, role=role)
        assert response.status == 200, await response.text()
        return await response.json()

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The body of an answer that must be a success. key: the Idempotency-Key."""
        headers = {} if key is None else {"Idempotency-Key": key}
        response = await self.call("POST", path, body, headers=headers)
        assert response.status in {200, 201, 202}, await response.text()
        return await response.json()

    async def upload(self, content: bytes) -> dict[str, Any]:
        """A file of a build, as the API wants it named."""
        stat = await self.post("/v1/blobs", content)
        assert stat["digest"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        return {"digest": stat["digest"], "size": stat["size"]}

    async def a_build(self, *, key: str | None = None) -> Any:
        spec = {"name": "hello.spec", **await self.upload(b"Name: hello")}
        body = {"name": "hello", "source": {"type": "rpm", "spec": spec}}
        return await self.post("/v1/builds", body, key=key)

    async def a_container(self, name: str = "web", *, key: str | None = None) -> Any:
        body = {"spec": {"name": name, "image": "web:1"}}
        return await self.post("/v1/containers", body, key=key)


GENEROUS = Settings.load(
    {
        "EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_KEY": "1000000",
        "EULERMAKER_ACCESS_REQUESTS_PER_SECOND_AND_ADDRESS": "1000000",
    }
)


@asynccontextmanager
async def a_service(
    settings: Settings = GENEROUS, readiness: Mapping[str, ReadinessCheck] | None = None
) -> AsyncGenerator[Service]:
    service = Service(settings, readiness or {})
    await service.create_keys()
    async with TestClient(TestServer(create_app(service.parts))) as client:
        service.client = client
        yield service


def run(
    story: Callable[[Service], Awaitable[None]],
    settings: Settings = GENEROUS,
    readiness: Mapping[str, ReadinessCheck] | None = None,
) -> None:
    """A test's story, told to a service of its own, with a deadline."""

    async def told() -> None:
        async with asyncio.timeout(DEADLINE_SECONDS), a_service(settings, readiness) as service:
            await story(service)

    asyncio.run(told())


async def problem(response: ClientResponse) -> tuple[int, str]:
    """Status and name of a problem; its form is checked on the way."""
    assert response.content_type == "application/problem+json", await response.text()
    body = await response.json()
    assert body["status"] == response.status
    assert body["title"]
    assert body["detail"]
    return response.status, body["type"].removeprefix("urn:eulermaker:problem:")
