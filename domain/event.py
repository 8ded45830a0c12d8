"""The envelope: what is known about every event and every command besides its content."""

from datetime import datetime
from typing import ClassVar

import msgspec

ANY_VERSION = -1
"""Expected version of an append that does not care what was recorded before."""

DEFAULT_TENANT = "default"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A fact. Stored under its class name, which never changes meaning; new fields get defaults."""

    schema_version: ClassVar[int] = 1


class OpaqueEvent(Event, frozen=True, kw_only=True, tag=False):
    """A recorded event whose type or version this program does not know: carried, never fatal."""

    raw: bytes


class Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What somebody wants to happen to one aggregate; `decide` says what does."""


class CommandContext(msgspec.Struct, frozen=True, kw_only=True):
    """Who commands, when, from where and because of what.

    command_id: chosen by the client; the same id and command always get the same answer.
    correlation_id: shared by everything that follows from one request.
    causation_id: the event or effect that led to this command, None for a first cause.
    actor: an opaque id (`key:…`, `system:…`), never a name or an address of a person.
    traceparent: W3C trace context of the request.
    """

    command_id: str
    correlation_id: str
    actor: str
    occurred_at: datetime
    tenant: str = DEFAULT_TENANT
    causation_id: str | None = None
    source_address: str | None = None
    traceparent: str | None = None
    metadata: dict[str, str] = {}


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its whole envelope, as the log keeps it.

    position: gapless, from 1, over all tenants and streams; its order is the order of commits.
    version: gapless, from 1, within the stream.
    data: the stored bytes (JSON text) that the leaf hash covers.
    recorded_at: the database's clock under the append lock, so it never runs against position.
    event: the data decoded and brought to the newest schema version.
    """

    position: int
    tenant: str
    stream: str
    version: int
    event_id: str
    type: str
    schema_version: int
    data: bytes
    recorded_at: datetime
    occurred_at: datetime
    command_id: str
    correlation_id: str
    causation_id: str | None
    actor: str
    source_address: str | None
    traceparent: str | None
    metadata: dict[str, str]
    hash_version: int
    key_id: str | None
    leaf: bytes
    chain: bytes
    event: Event


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command. Kept for ever under its id; holds positions, never bodies.

    status: `accepted`, or `refused` when the recorded event is the refusal.
    version: of the stream after the command.
    first_position, last_position: of the events it recorded; both 0 when it recorded none.
    replayed: the answer comes from an earlier delivery of the same command.
    """

    command_id: str
    status: str
    stream: str
    version: int
    first_position: int
    last_position: int
    replayed: bool = False


ACCEPTED = "accepted"
REFUSED = "refused"


class Append(msgspec.Struct, frozen=True, kw_only=True):
    """One command's events for one stream: recorded whole or not at all.

    expected_version: of the stream before the append (0: it is new), or ANY_VERSION.
    fingerprint: SHA-256 of the command's content, to notice a reused command id.
    """

    context: CommandContext
    stream: str
    expected_version: int
    events: tuple[Event, ...]
    fingerprint: bytes
    status: str = ACCEPTED


class LogHead(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the log: its last position and the chain hash there (32 zero bytes when empty)."""

    position: int
    chain: bytes
