"""The first admin key: created by a command like every other, before anybody can ask for it."""

import secrets
import uuid
from datetime import UTC, datetime

from adapters.postgres.event_store import PostgresEventStore
from adapters.postgres.identities import PostgresIdentities
from adapters.postgres.tenants import TenantPool
from api.http.auth import actor_of, new_key
from api.settings import Settings
from domain.access.commands import CreateKey
from domain.access.roles import Role
from domain.application.command_handler import CommandHandler
from domain.event import DEFAULT_TENANT, CommandContext

ACTOR = "system:bootstrap"
LABEL = "first admin key"


async def create_admin_key(settings: Settings) -> str:
    """Recorded when it returns; nobody but the caller ever sees the key."""
    key_id = secrets.token_hex(8)
    key = new_key(key_id)
    url = settings.database.service_url
    async with TenantPool(url, "first key", size=1) as pool:
        await PostgresIdentities(pool).put(DEFAULT_TENANT, actor_of(key_id), LABEL)
    store = PostgresEventStore(url)
    await store.start()
    try:
        await CommandHandler(store).handle(
            CreateKey(
                key_id=key_id,
                role=Role.ADMIN,
                secret_sha256=key.secret_sha256,
            ),
            CommandContext(
                command_id=str(uuid.uuid4()),
                correlation_id=str(uuid.uuid4()),
                actor=ACTOR,
                occurred_at=datetime.now(UTC),
            ),
        )
    finally:
        await store.stop()
    return key.token
