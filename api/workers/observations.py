"""Reports what was seen, as commands with ids that follow from what was seen.

The same sight reported twice, by whichever process, is recorded once.
"""

import hashlib

import msgspec

from domain.application.command_handler import CommandHandler
from domain.event import Command, CommandContext
from domain.ports import Clock

ACTOR = "system:reconciler"


class Reporter:
    def __init__(self, handler: CommandHandler, clock: Clock) -> None:
        self._handler = handler
        self._clock = clock

    async def report(
        self,
        tenant: str,
        command: Command,
        *,
        correlation_id: str | None = None,
        seen_at_version: int = 0,
        expected_version: int | None = None,
    ) -> bool:
        """Whether it was news. seen_at_version: of the aggregate, where a sight may recur.

        expected_version: the sight means nothing once the aggregate has gone on.
        """
        content = msgspec.json.encode(command) + seen_at_version.to_bytes(8, "big")
        identifier = f"observed:{hashlib.sha256(content).hexdigest()[:40]}"
        receipt = await self._handler.handle(
            command,
            CommandContext(
                command_id=identifier,
                tenant=tenant,
                correlation_id=correlation_id or identifier,
                actor=ACTOR,
                occurred_at=self._clock.now(),
            ),
            expected_version=expected_version,
        )
        return receipt.last_position > 0
