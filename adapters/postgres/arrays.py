"""Columns of fields as PostgreSQL arrays.

A field (see `hashing`) is what an array element looks like in PostgreSQL's binary format, so a
batch is sent by joining the bytes that were hashed: no value is encoded twice.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat
from typing import ClassVar

from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from adapters.postgres.envelope import COMMAND_FIELDS, EVENT_FIELDS, EncodedAppend
from adapters.postgres.hashing import integer

APPEND = (
    "SELECT * FROM log.append("
    "%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)"
)

_header: Callable[..., bytes] = struct.Struct(">5i").pack
_empty: Callable[..., bytes] = struct.Struct(">3i").pack


class PackedArray(bytes):
    """An array in the binary format."""

    __slots__ = ()
    element_oid: ClassVar[int]
    array_oid: ClassVar[int]

    @classmethod
    def of(cls, fields: Sequence[bytes]) -> "PackedArray":
        if not fields:
            return cls(_empty(0, 0, cls.element_oid))
        return cls(_header(1, 1, cls.element_oid, len(fields), 1) + b"".join(fields))


class TextArray(PackedArray):
    element_oid, array_oid = 25, 1009


class BigintArray(PackedArray):
    element_oid, array_oid = 20, 1016


class ByteaArray(PackedArray):
    element_oid, array_oid = 17, 1001


class UuidArray(PackedArray):
    element_oid, array_oid = 2950, 2951


class TimestamptzArray(PackedArray):
    element_oid, array_oid = 1184, 1185


class _PackedArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: bytes) -> Buffer:
        return obj


_SPECIAL: dict[str, type[PackedArray]] = {
    "expected_version": BigintArray,
    "fingerprint": ByteaArray,
    "event_id": UuidArray,
    "schema_version": BigintArray,
    "data": ByteaArray,
    "occurred_at": TimestamptzArray,
    "leaf": ByteaArray,
}


def _types(names: Sequence[str]) -> Sequence[type[PackedArray]]:
    return [_SPECIAL.get(name, TextArray) for name in names]


_COMMAND_COLUMNS = _types(COMMAND_FIELDS)
_EVENT_COLUMNS = _types(EVENT_FIELDS)


_DUMPERS = {
    array: type(f"{array.__name__}Dumper", (_PackedArrayDumper,), {"oid": array.array_oid})
    for array in (TextArray, BigintArray, ByteaArray, UuidArray, TimestamptzArray)
}


def register_packed_arrays(context: AdaptContext) -> None:
    for array, dumper in _DUMPERS.items():
        context.adapters.register_dumper(array, dumper)


def append_arguments(batch: Sequence[EncodedAppend]) -> list[PackedArray]:
    """The arguments of APPEND."""
    events = list(chain.from_iterable(append.events for append in batch))
    numbers = chain.from_iterable(
        repeat(integer(number), len(append.events)) for number, append in enumerate(batch, 1)
    )
    return [
        *_columns(_COMMAND_COLUMNS, [append.command for append in batch]),
        BigintArray.of(list(numbers)),
        *_columns(_EVENT_COLUMNS, events),
    ]


def _columns(
    types: Sequence[type[PackedArray]], rows: Sequence[tuple[bytes, ...]]
) -> Iterable[PackedArray]:
    if not rows:
        return [array.of(()) for array in types]
    return [array.of(column) for array, column in zip(types, zip(*rows, strict=True), strict=True)]
