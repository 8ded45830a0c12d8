"""Erases secret values that nobody can need: put for a request that was never recorded, or of a
container that is gone and whose erasure was missed.

The process manager erases what belongs to a removed container at once; this is the net under it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.application.aggregates import CONTAINERS
from domain.application.command_handler import CommandHandler
from domain.containers.commands import RecordContainerSecretsErased
from domain.containers.state import Container, Status
from domain.event import CommandContext
from domain.ports import Clock, SecretVault, StoredSecret

ACTOR = "system:sweeper"
GRACE = timedelta(days=1)
"""Much longer than any request lasts: its values are put before it is recorded."""


class SecretSweep:
    def __init__(self, *, secrets: SecretVault, handler: CommandHandler, clock: Clock) -> None:
        self._secrets = secrets
        self._handler = handler
        self._clock = clock

    async def sweep(self) -> int:
        """How many values nobody could need. A page at a time; safe at any time, and to repeat."""
        before = self._clock.now() - GRACE
        erased = 0
        last: StoredSecret | None = None
        while page := await self._secrets.list_old(before, after=last):
            for secret in page:
                erased += await self._erase_unneeded(secret, before)
            last = page[-1]
        return erased

    async def _erase_unneeded(self, secret: StoredSecret, before: datetime) -> bool:
        container_id = secret.owner.removeprefix(CONTAINERS.stream(""))
        loaded = await self._handler.load(CONTAINERS, secret.tenant, container_id)
        state = loaded.state
        if not isinstance(state, Container) or secret.reference not in state.secret_references:
            await self._secrets.erase_old(secret.tenant, secret.reference, before)
            return True
        if state.status is not Status.REMOVED:
            return False
        await self._secrets.erase(secret.tenant, state.secret_references)
        await self._record(secret.tenant, container_id, state.secret_references)
        return True

    async def _record(self, tenant: str, container_id: str, references: Sequence[str]) -> None:
        command_id = f"sweep:{container_id}"
        context = CommandContext(
            command_id=command_id,
            tenant=tenant,
            correlation_id=command_id,
            actor=ACTOR,
            occurred_at=self._clock.now(),
        )
        command = RecordContainerSecretsErased(
            container_id=container_id, references=tuple(references)
        )
        await self._handler.handle(command, context)
