"""The command line against a database and a data directory of a test's own."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from click.testing import CliRunner, Result

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.log_store import StoredLogs
from adapters.postgres.tenants import TenantPool
from adapters.storage.blob_store import DirectoryBlobStore
from api.cli.main import cli
from api.settings import Settings
from domain.application.command_handler import CommandHandler
from domain.event import DEFAULT_TENANT, Command, CommandContext, Event

DEADLINE_SECONDS = 60


class Parts:
    """The adapters of one installation."""

    def __init__(
        self,
        store: PostgresEventStore,
        blobs: DirectoryBlobStore,
        logs: StoredLogs,
        pool: TenantPool,
    ) -> None:
        self.store = store
        self.blobs = blobs
        self.logs = logs
        self.pool = pool

    async def send(self, command: Command) -> None:
        context = CommandContext(
            command_id=str(uuid4()),
            correlation_id="tests",
            actor="key:tests",
            occurred_at=datetime.now(UTC),
        )
        await CommandHandler(self.store).handle(command, context)

    async def put(self, content: bytes) -> str:
        async def pieces() -> AsyncIterator[bytes]:
            yield content

        stat = await self.blobs.put(DEFAULT_TENANT, pieces(), limit_bytes=len(content))
        return stat.digest

    async def events(self, kind: type[Event]) -> list[Event]:
        recorded = await self.store.read_log(0)
        return [each.event for each in recorded if isinstance(each.event, kind)]


class Place:
    """A data directory, and the URL of the migrating user of its database."""

    def __init__(self, data_dir: Path, url: str) -> None:
        self.url = url
        self.settings = Settings.load({"DATABASE_URL": url}, data_dir=str(data_dir))

    def run(self, *arguments: str | Path) -> Result:
        environment = {
            "DATABASE_URL": self.url,
            "EULERMAKER_DATA_DIR": str(self.settings.directory),
        }
        return CliRunner(env=environment).invoke(cli, [str(each) for each in arguments])

    def json(self, *arguments: str | Path) -> Any:
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def do(self, body: Callable[[Parts], Awaitable[None]]) -> None:
        async def main() -> None:
            async with asyncio.timeout(DEADLINE_SECONDS), self._parts() as parts:
                await body(parts)

        asyncio.run(main())

    @asynccontextmanager
    async def _parts(self) -> AsyncGenerator[Parts]:
        blobs = DirectoryBlobStore(self.settings.blob_directory)
        log_files = DirectoryBlobStore(self.settings.log_directory)
        store = PostgresEventStore(self.url)
        await store.start()
        try:
            async with TenantPool(self.url, "tests", size=2) as pool:
                yield Parts(store, blobs, StoredLogs(pool, log_files), pool)
        finally:
            await store.stop()
            await blobs.stop()
            await log_files.stop()
