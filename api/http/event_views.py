"""Events as clients see them. Source addresses are for the audit log only."""

import base64
from datetime import datetime

import msgspec

from domain.catalog import EVENT_TYPES
from domain.event import OpaqueEvent, RecordedEvent


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """data: at the newest schema version. leaf, chain: hex, as `verify` computes them."""

    position: int
    stream: str
    version: int
    event_id: str
    type: str
    schema_version: int
    recorded_at: datetime
    occurred_at: datetime
    command_id: str
    correlation_id: str
    causation_id: str | None
    actor: str
    leaf: str
    chain: str
    data: msgspec.Raw


class HistoryView(EventView, frozen=True, kw_only=True):
    """raw: exactly the bytes that were stored and hashed, as text."""

    raw: str


_CURRENT = {t.__name__: t.schema_version for t in EVENT_TYPES}
_ENCODE = msgspec.json.Encoder().encode


def view(recorded: RecordedEvent) -> EventView:
    return EventView(
        position=recorded.position,
        stream=recorded.stream,
        version=recorded.version,
        event_id=recorded.event_id,
        type=recorded.type,
        schema_version=recorded.schema_version,
        recorded_at=recorded.recorded_at,
        occurred_at=recorded.occurred_at,
        command_id=recorded.command_id,
        correlation_id=recorded.correlation_id,
        causation_id=recorded.causation_id,
        actor=recorded.actor,
        leaf=recorded.leaf.hex(),
        chain=recorded.chain.hex(),
        data=_data(recorded),
    )


def history_view(recorded: RecordedEvent) -> HistoryView:
    raw = recorded.data.decode(errors="replace")
    return HistoryView(raw=raw, **msgspec.structs.asdict(view(recorded)))


def _data(recorded: RecordedEvent) -> msgspec.Raw:
    """The stored bytes where they are current, so that nothing is encoded twice."""
    if isinstance(recorded.event, OpaqueEvent):
        return msgspec.Raw(opaque_json(recorded.data))
    if recorded.schema_version == _CURRENT.get(recorded.type):
        return msgspec.Raw(recorded.data)
    return msgspec.Raw(EVENT_TYPES.encode(recorded.event))


def opaque_json(data: bytes) -> bytes:
    """JSON stays what it is; anything else (an encrypted field) becomes base64 text."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _ENCODE(base64.b64encode(data).decode())
    return data
