"""Rows of the log's tables as the domain knows them."""

from collections.abc import Callable
from typing import Any

import msgspec

from domain.event import Event, LogHead, Receipt, RecordedEvent

Decode = Callable[[str, int, bytes], Event]

SELECT_EVENTS = (
    "SELECT position, tenant, stream, version, event_id, type, schema_version, data, recorded_at,"
    " occurred_at, command_id, correlation_id, causation_id, actor, source_address, traceparent,"
    " metadata, hash_version, key_id, leaf, chain FROM log.events"
)
RECEIPT = """
SELECT command_id, status, stream, version, first_position, last_position FROM log.receipts
WHERE tenant = %s AND command_id = %s
"""
HEAD = "SELECT position, chain FROM log.log_head"

_decode_metadata = msgspec.json.Decoder(dict[str, str]).decode


def recorded_event(row: tuple[Any, ...], decode: Decode) -> RecordedEvent:
    """Of SELECT_EVENTS."""
    return RecordedEvent(
        position=row[0],
        tenant=row[1],
        stream=row[2],
        version=row[3],
        event_id=str(row[4]),
        type=row[5],
        schema_version=row[6],
        data=row[7],
        recorded_at=row[8],
        occurred_at=row[9],
        command_id=row[10],
        correlation_id=row[11],
        causation_id=row[12],
        actor=row[13],
        source_address=row[14],
        traceparent=row[15],
        metadata={} if row[16] == "{}" else _metadata(row[16]),
        hash_version=row[17],
        key_id=row[18],
        leaf=row[19],
        chain=row[20],
        event=decode(row[5], row[6], row[7]),
    )


def _metadata(text: str) -> dict[str, str]:
    """What is no object of texts is carried as it is: one bad row must not stop all readers."""
    try:
        return _decode_metadata(text)
    except msgspec.MsgspecError:
        return {"": text}


def receipt_of(row: tuple[Any, ...]) -> Receipt:
    command_id, status, stream, version, first_position, last_position = row
    return Receipt(
        command_id=command_id,
        status=status,
        stream=stream,
        version=version,
        first_position=first_position,
        last_position=last_position,
        replayed=True,
    )


def head_of(row: tuple[Any, ...]) -> LogHead:
    position, chain = row
    return LogHead(position=position, chain=chain)
