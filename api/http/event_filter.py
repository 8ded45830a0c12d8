"""Which events a reader wants."""

from typing import get_args

import msgspec

from domain.access.events import AccessEvent
from domain.event import RecordedEvent

AUDITED = frozenset(event.__name__ for event in get_args(AccessEvent))


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tenant; everything that is not given matches.

    audit: what happened at the door, too; for those only who may read the audit log.
    """

    tenant: str
    types: frozenset[str] = frozenset()
    stream: str | None = None
    actor: str | None = None
    audit: bool = False

    def matches(self, recorded: RecordedEvent) -> bool:
        return (
            recorded.tenant == self.tenant
            and (self.audit or recorded.type not in AUDITED)
            and (not self.types or recorded.type in self.types)
            and (self.stream is None or recorded.stream == self.stream)
            and (self.actor is None or recorded.actor == self.actor)
        )
