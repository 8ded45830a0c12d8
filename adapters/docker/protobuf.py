"""As much of the protocol buffer wire format as BuildKit's progress needs."""

from collections.abc import Iterator
from datetime import UTC, datetime

from domain.errors import EngineOutcomeUnknown

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}

Value = int | bytes


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Each (number, value) in order; a repeated field comes several times."""
    position = 0
    while position < len(message):
        key, position = _varint(message, position)
        value, position = _value(message, position, key & 7)
        yield key >> 3, value


def text(value: Value) -> str:
    return octets(value).decode(errors="replace")


def octets(value: Value) -> bytes:
    if isinstance(value, int):
        raise EngineOutcomeUnknown("The engine sent a number where bytes belong")
    return value


def timestamp(value: Value | None) -> datetime | None:
    if value is None:
        return None
    parts = {number: part for number, part in fields(octets(value)) if isinstance(part, int)}
    seconds, nanoseconds = parts.get(1, 0), parts.get(2, 0)
    whole = datetime.fromtimestamp(seconds, tz=UTC)
    return whole.replace(microsecond=nanoseconds // 1_000)


def _value(message: bytes, position: int, kind: int) -> tuple[Value, int]:
    if kind == _VARINT:
        return _varint(message, position)
    if kind == _BYTES:
        size, position = _varint(message, position)
    elif kind in _FIXED_SIZES:
        size = _FIXED_SIZES[kind]
    else:
        raise EngineOutcomeUnknown(f"The engine sent an unknown field of kind {kind}")
    end = position + size
    if end > len(message):
        raise EngineOutcomeUnknown("The engine sent a message that breaks off")
    return message[position:end], end


def _varint(message: bytes, position: int) -> tuple[int, int]:
    result = shift = 0
    while position < len(message):
        byte = message[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the high bit says that more follows
            return result, position
        shift += 7
    raise EngineOutcomeUnknown("The engine sent a number that breaks off")
