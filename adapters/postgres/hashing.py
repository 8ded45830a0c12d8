"""The hashes of the log, version 1. Needs the standard library only, as does a foreign verifier.

A field is its length (4 bytes, big-endian) and its bytes; None is ff ff ff ff alone. Texts are
UTF-8, integers 8 bytes big-endian signed, moments microseconds since 1970-01-01T00:00Z as integers.

    leaf  = SHA-256(LEAF_1 + fields), the fields being tenant, stream, command_id, correlation_id,
            causation_id, actor, source_address, traceparent, metadata (the JSON text), occurred_at,
            event_id (16 bytes), type, schema_version, key_id, data
    chain = SHA-256(previous chain + position + version + recorded_at + leaf),
            the three as bare integers, the first previous chain being 32 zero bytes
    event_id = the first 16 bytes of SHA-256(EVENT_ID + fields tenant, command_id, index), its
            version and variant bits set as in a UUIDv8; index counts a command's events from 0

The leaf leaves out what only the database knows (position, version, recorded_at): the chain has it.
"""

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

GENESIS = bytes(32)
LEAF_1 = b"eulermaker leaf 1\n"
EVENT_ID = b"eulermaker event id\n"
NULL = b"\xff\xff\xff\xff"
VERSION_AND_VARIANT = 0xF << 76 | 0b11 << 62
UUID_8 = 0x8 << 76 | 0b10 << 62
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_length: Callable[[int], bytes] = struct.Struct(">I").pack
_integer: Callable[[int, int], bytes] = struct.Struct(">Iq").pack
_link: Callable[[int, int, int], bytes] = struct.Struct(">qqq").pack


def text(value: str | None) -> bytes:
    """Raises ValueError for what PostgreSQL cannot store: the character NUL, half a surrogate."""
    if value is None:
        return NULL
    if "\0" in value:
        raise ValueError("A text of the envelope holds the character NUL")
    encoded = value.encode()
    return _length(len(encoded)) + encoded


def blob(value: bytes) -> bytes:
    return _length(len(value)) + value


def integer(value: int) -> bytes:
    return _integer(8, value)


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // MICROSECOND


def leaf_hash(*fields: bytes) -> bytes:
    return sha256(LEAF_1 + b"".join(fields)).digest()


def chain_hash(
    previous: bytes, position: int, version: int, recorded_at: int, leaf: bytes
) -> bytes:
    return sha256(previous + _link(position, version, recorded_at) + leaf).digest()


def event_id(tenant: bytes, command_id: bytes, index: int) -> bytes:
    """Of fields: a command that is delivered again makes the same ids."""
    digest = sha256(EVENT_ID + tenant + command_id + integer(index)).digest()[:16]
    number = int.from_bytes(digest, "big") & ~VERSION_AND_VARIANT | UUID_8
    return number.to_bytes(16, "big")
