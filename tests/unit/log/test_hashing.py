"""The documented hashes, computed here again with nothing but the standard library."""

import json
import struct
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import msgspec
import pytest

from adapters.postgres.envelope import EVENT_FIELDS, Body, encode_append, split_topic, topic_of
from adapters.postgres.hashing import chain_hash, text
from domain.event import Append, Event
from tests.support.appends import a_context, an_append

CONTEXT = msgspec.structs.replace(
    a_context("c-1", "acme"),
    occurred_at=datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC),
    causation_id="é",
    metadata={"b": "2", "a": "1"},
)
APPEND = msgspec.structs.replace(an_append("build-9"), context=CONTEXT)
BODIES = [("BuildSubmitted", b"{}"), ("BuildSubmitted@3", b'{"x":1}')]


def _field(value: bytes | str | int | None) -> bytes:
    if value is None:
        return b"\xff\xff\xff\xff"
    if isinstance(value, int):
        value = struct.pack(">q", value)
    elif isinstance(value, str):
        value = value.encode()
    return struct.pack(">I", len(value)) + value


def _leaf(event_id: bytes, schema_version: int, data: bytes) -> bytes:
    fields = (
        "acme",
        "build-9",
        "c-1",
        CONTEXT.correlation_id,
        "é",
        CONTEXT.actor,
        None,
        None,
        json.dumps({"a": "1", "b": "2"}, separators=(",", ":")),
        1772368215123456,
        event_id,
        "BuildSubmitted",
        schema_version,
        None,
        data,
    )
    return sha256(b"eulermaker leaf 1\n" + b"".join(map(_field, fields))).digest()


def _encoded(append: Append, bodies: list[Body]) -> list[dict[str, bytes]]:
    events = encode_append(append, bodies).events
    return [dict(zip(EVENT_FIELDS, event, strict=True)) for event in events]


def test_the_leaf_is_what_the_documentation_says() -> None:
    first, second = _encoded(APPEND, BODIES)
    assert first["leaf"] == _field(_leaf(first["event_id"][4:], 1, b"{}"))
    assert second["leaf"] == _field(_leaf(second["event_id"][4:], 3, b'{"x":1}'))


def test_the_chain_is_what_the_documentation_says() -> None:
    expected = sha256(bytes(32) + struct.pack(">qqq", 7, 2, 1772368215123456) + b"l" * 32).digest()
    assert chain_hash(bytes(32), 7, 2, 1772368215123456, b"l" * 32) == expected


def test_event_ids_are_repeatable_and_are_custom_uuids() -> None:
    ids = [UUID(bytes=event["event_id"][4:]) for event in _encoded(APPEND, BODIES)]
    again = [UUID(bytes=event["event_id"][4:]) for event in _encoded(APPEND, BODIES)]
    assert ids == again
    assert len(set(ids)) == 2
    assert {(one.version, one.variant) for one in ids} == {(8, "specified in RFC 4122")}


def test_moving_a_border_between_fields_changes_the_leaf() -> None:
    def leaf(tenant: str, stream: str) -> bytes:
        context = msgspec.structs.replace(CONTEXT, tenant=tenant)
        append = msgspec.structs.replace(APPEND, context=context, stream=stream)
        return _encoded(append, BODIES[:1])[0]["leaf"]

    assert leaf("ab", "c") != leaf("a", "bc")


def test_nothing_is_not_the_same_as_empty() -> None:
    assert text(None) != text("")


@pytest.mark.parametrize("value", ["a\0", "\ud800"])
def test_text_that_postgresql_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        text(value)


def test_a_topic_names_the_version_that_is_not_the_first() -> None:
    class Renamed(Event, frozen=True, kw_only=True):
        schema_version = 4

    assert topic_of(Renamed) == "Renamed@4"
    assert split_topic("Renamed@4") == ("Renamed", 4)
    assert split_topic("Renamed") == ("Renamed", 1)
