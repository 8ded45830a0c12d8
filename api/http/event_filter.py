"""Which events a reader wants."""

from difflib import get_close_matches
from typing import get_args

import msgspec

from api.http import errors as e
from domain.access.events import AccessEvent
from domain.application.aggregates import AGGREGATES, aggregate_named
from domain.catalog import EVENT_TYPES
from domain.event import RecordedEvent

TYPES = sorted(event.__name__ for event in EVENT_TYPES)
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


def known_types(names: str) -> frozenset[str]:
    """Of names with commas between them. Raises Rejected."""
    types = frozenset(filter(None, (name.strip() for name in names.split(","))))
    for unknown in sorted(types.difference(TYPES)):
        near = get_close_matches(unknown, TYPES, n=1)
        asked = f" Did you mean {near[0]}?" if near else ""
        raise e.Rejected(
            e.ILLEGAL_VALUE, f"There is no event type {unknown}.{asked}", path="$.types"
        )
    return types


def possible_stream(stream: str) -> str:
    """Raises Rejected."""
    if aggregate_named(stream.partition("-")[0]) is None:
        kinds = ", ".join(sorted(aggregate.prefix for aggregate in AGGREGATES))
        raise e.Rejected(
            e.ILLEGAL_VALUE,
            f"There is no stream {stream}. Streams are called by kind and id, like container-…;"
            f" the kinds are {kinds}.",
            path="$.stream",
        )
    return stream
