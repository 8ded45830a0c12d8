"""One command and its events as fields: the same bytes are hashed and sent to PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from adapters.postgres.hashing import NULL, blob, event_id, integer, leaf_hash, micros, text
from domain.event import Append, Event

POSTGRES_EPOCH = micros(datetime(2000, 1, 1, tzinfo=UTC))
NO_METADATA = text("{}")


Fields = tuple[bytes, ...]
"""Plain tuples: they cost an eighth of named ones, and become columns by one zip."""

COMMAND_FIELDS = (
    "tenant",
    "command_id",
    "stream",
    "expected_version",
    "fingerprint",
    "status",
    "occurred_at",
    "correlation_id",
    "causation_id",
    "actor",
    "source_address",
    "traceparent",
    "metadata",
)
"""The first arguments of `log.append` and `log.append_one`."""

EVENT_FIELDS = ("event_id", "type", "schema_version", "data", "key_id", "leaf")
"""Their further arguments; of `log.append` after the command's number."""

COMMAND_ID, STREAM = COMMAND_FIELDS.index("command_id"), COMMAND_FIELDS.index("stream")
DATA = EVENT_FIELDS.index("data")


Body = tuple[str, bytes]
"""An event's topic (its type's name, followed by `@` and the schema version where that is not 1)
and its data."""


class EncodedAppend(msgspec.Struct, frozen=True, gc=False):
    """command: COMMAND_FIELDS. events: EVENT_FIELDS of each."""

    append: Append
    command: Fields
    events: tuple[Fields, ...]

    @property
    def size(self) -> int:
        """Of its content in bytes, roughly."""
        return sum([len(event[DATA]) for event in self.events])


def topic_of(event_type: type[Event]) -> str:
    version = event_type.schema_version
    return event_type.__name__ if version == 1 else f"{event_type.__name__}@{version}"


def split_topic(topic: str) -> tuple[str, int]:
    name, _, version = topic.partition("@")
    return name, int(version or 1)


def encode_append(append: Append, bodies: Sequence[Body]) -> EncodedAppend:
    context = append.context
    tenant, command_id = _common(context.tenant), text(context.command_id)
    stream, actor = text(append.stream), _common(context.actor)
    correlation_id = _again(context.correlation_id, context.command_id, command_id)
    causation_id, source_address = text(context.causation_id), text(context.source_address)
    traceparent, metadata = text(context.traceparent), _metadata(context.metadata)
    moment = micros(context.occurred_at)
    command = (
        tenant,
        command_id,
        stream,
        integer(append.expected_version),
        blob(append.fingerprint),
        _common(append.status),
        integer(moment - POSTGRES_EPOCH),
        correlation_id,
        causation_id,
        actor,
        source_address,
        traceparent,
        metadata,
    )
    # What the leaves of all its events begin with.
    shared = b"".join(
        (
            tenant,
            stream,
            command_id,
            correlation_id,
            causation_id,
            actor,
            source_address,
            traceparent,
            metadata,
            integer(moment),
        )
    )
    events = [_event(shared, tenant, command_id, index, body) for index, body in enumerate(bodies)]
    return EncodedAppend(append, command, tuple(events))


def _event(shared: bytes, tenant: bytes, command_id: bytes, index: int, body: Body) -> Fields:
    topic, data = body
    identity = blob(event_id(tenant, command_id, index))
    name, schema_version = _type(topic)
    content = blob(data)
    leaf = leaf_hash(shared, identity, name, schema_version, NULL, content)
    return (identity, name, schema_version, content, NULL, blob(leaf))


def _again(value: str, known: str, encoded: bytes) -> bytes:
    """value encoded: the same bytes where it is what is encoded already."""
    return encoded if value == known else text(value)


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
