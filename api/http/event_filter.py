"""Which events a reader wants."""

import msgspec

from domain.event import RecordedEvent


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Of one tenant; everything that is not given matches."""

    tenant: str
    types: frozenset[str] = frozenset()
    stream: str | None = None
    actor: str | None = None

    def matches(self, recorded: RecordedEvent) -> bool:
        return (
            recorded.tenant == self.tenant
            and (not self.types or recorded.type in self.types)
            and (self.stream is None or recorded.stream == self.stream)
            and (self.actor is None or recorded.actor == self.actor)
        )
