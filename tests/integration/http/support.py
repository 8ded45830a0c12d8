"""The whole HTTP application on adapters in memory, and clients of every role for it."""

import asyncio
import hashlib
import io
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from prometheus_client import CollectorRegistry

from adapters.memory.blob_store import InMemoryBlobStore
from adapters.memory.identities import InMemoryIdentities
from adapters.memory.log_store import InMemoryLogStore
from adapters.memory.log_wake_ups import InMemoryLogWakeUps
from adapters.memory.rate_limits import InMemoryRateLimits
from adapters.memory.read_models import InMemoryQueries
from adapters.memory.secret_vault import InMemorySecretVault
from api.http.app import create_app
from api.http.auth import new_key
from api.http.parts import Comparison, HttpParts, ReadinessCheck
from api.http.tickets import InMemoryTickets
from api.settings import Settings
from domain.access.commands import CreateKey
from domain.access.roles import Role
from domain.application.command_handler import CommandHandler
from domain.event import Command, CommandContext, Receipt
from domain.ports import EngineSize
from projections.catalog import read_model
from projections.errors import ProjectionNotReady
from tests.integration.http.tailed_store import TailedStore

Client = TestClient[Request, Application]
DEADLINE_SECONDS = 20.0


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    def new(self) -> str:
        return str(uuid.uuid4())


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
            queries=InMemoryQueries(self.store),
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
