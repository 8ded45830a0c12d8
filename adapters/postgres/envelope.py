"""One command and its events as fields: the same bytes are hashed and sent to PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec

from adapters.postgres.hashing import NULL, blob, event_id, integer, leaf_hash, micros, text
from domain.event import Append, Event

POSTGRES_EPOCH = micros(datetime(2000, 1, 1, tzinfo=UTC))
NO_METADATA = text("{}")


class CommandFields(NamedTuple):
    """In the order of the first arguments of `log.append`."""

    tenant: bytes
    command_id: bytes
    stream: bytes
    expected_version: bytes
    fingerprint: bytes
    status: bytes
    occurred_at: bytes
    correlation_id: bytes
    causation_id: bytes
    actor: bytes
    source_address: bytes
    traceparent: bytes
    metadata: bytes


class EventFields(NamedTuple):
    """In the order of the further arguments of `log.append`, after the command's number."""

    event_id: bytes
    type: bytes
    schema_version: bytes
    data: bytes
    key_id: bytes
    leaf: bytes


class Body(NamedTuple):
    """topic: the type's name, followed by `@` and the schema version where that is not 1."""

    topic: str
    data: bytes


class EncodedAppend(NamedTuple):
    append: Append
    command: CommandFields
    events: Sequence[EventFields]

    @property
    def size(self) -> int:
        """Of its content in bytes, roughly."""
        return sum(len(event.data) for event in self.events)


def topic_of(event_type: type[Event]) -> str:
    version = event_type.schema_version
    return event_type.__name__ if version == 1 else f"{event_type.__name__}@{version}"


def split_topic(topic: str) -> tuple[str, int]:
    name, _, version = topic.partition("@")
    return name, int(version or 1)


def encode_append(append: Append, bodies: Sequence[Body]) -> EncodedAppend:
    context = append.context
    tenant, command_id = _common(context.tenant), text(context.command_id)
    moment = micros(context.occurred_at)
    command = CommandFields(
        tenant,
        command_id,
        text(append.stream),
        integer(append.expected_version),
        blob(append.fingerprint),
        _common(append.status),
        integer(moment - POSTGRES_EPOCH),
        text(context.correlation_id),
        text(context.causation_id),
        _common(context.actor),
        text(context.source_address),
        text(context.traceparent),
        _metadata(context.metadata),
    )
    shared = _hashed(command, integer(moment))
    events: list[EventFields] = []
    for index, (topic, data) in enumerate(bodies):
        identity = blob(event_id(tenant, command_id, index))
        name, schema_version = _type(topic)
        content = blob(data)
        leaf = blob(leaf_hash(shared, identity, name, schema_version, NULL, content))
        events.append(EventFields(identity, name, schema_version, content, NULL, leaf))
    return EncodedAppend(append, command, events)


def _hashed(command: CommandFields, occurred_at: bytes) -> bytes:
    """What the leaves of all its events begin with."""
    return b"".join(
        (
            command.tenant,
            command.stream,
            command.command_id,
            command.correlation_id,
            command.causation_id,
            command.actor,
            command.source_address,
            command.traceparent,
            command.metadata,
            occurred_at,
        )
    )


@lru_cache(256)
def _common(value: str) -> bytes:
    return text(value)


@lru_cache(1024)
def _type(topic: str) -> tuple[bytes, bytes]:
    name, version = split_topic(topic)
    return text(name), integer(version)


def _metadata(metadata: dict[str, str]) -> bytes:
    if not metadata:
        return NO_METADATA
    return blob(msgspec.json.encode(metadata, order="sorted"))
