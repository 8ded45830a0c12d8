"""Events as the `eventsourcing` library stores them: a topic and bytes.

The registry is closed: a topic read from the database is looked up, never imported.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from eventsourcing.persistence import (
    Cipher,
    Compressor,
    JSONTranscoder,
    Mapper,
    StoredEvent,
    Transcoder,
)
from eventsourcing.utils import get_topic

from adapters.postgres.envelope import Body, split_topic, topic_of
from domain.catalog import EVENT_TYPES
from domain.event import Event
from domain.event_types import EventTypes


class StreamEvent(msgspec.Struct, frozen=True):
    """One of our events at its place in a stream: what the library calls a domain event."""

    originator_id: str
    originator_version: int
    event: Event


class EventMapper(Mapper[Any]):
    """Maps our events; and, for an Application of the library, its registered ones as it does."""

    def __init__(
        self,
        transcoder: Transcoder | None = None,
        compressor: Compressor | None = None,
        cipher: Cipher | None = None,
        *,
        types: EventTypes = EVENT_TYPES,
        library_events: Iterable[type[Any]] = (),
    ) -> None:
        """The first three are for library_events only: ours are stored as they are hashed."""
        super().__init__(transcoder or JSONTranscoder(), compressor, cipher)
        self._types = types
        self._topics = {event_type: topic_of(event_type) for event_type in types}
        self._library_topics = frozenset(get_topic(event_type) for event_type in library_events)

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        if not isinstance(domain_event, StreamEvent):
            return super().to_stored_event(domain_event)
        topic, state = self.encode(domain_event.event)
        return StoredEvent(
            domain_event.originator_id, domain_event.originator_version, topic, state
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        topic, state = stored_event.topic, stored_event.state
        if topic in self._library_topics:
            return super().to_domain_event(stored_event)
        name, version = split_topic(topic)
        return StreamEvent(
            str(stored_event.originator_id),
            stored_event.originator_version,
            self.decode(name, version, state),
        )

    def encode(self, event: Event) -> Body:
        """Raises TypeError for an event whose type is not registered."""
        data = self._types.encode(event)
        return self._topics[type(event)], data

    def decode(self, name: str, schema_version: int, data: bytes) -> Event:
        return self._types.decode(name, schema_version, data)
