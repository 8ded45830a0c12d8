from collections.abc import Sequence

from adapters.postgres.ring import Ring
from domain.event import OpaqueEvent, RecordedEvent
from tests.support.appends import OCCURRED_AT

MANY_BYTES = 1_000_000


def _events(first: int, last: int, size: int = 1) -> Sequence[RecordedEvent]:
    return [
        RecordedEvent(
            position=position,
            tenant="default",
            stream="s",
            version=position,
            event_id="",
            type="T",
            schema_version=1,
            data=bytes(size),
            recorded_at=OCCURRED_AT,
            occurred_at=OCCURRED_AT,
            command_id="c",
            correlation_id="c",
            causation_id=None,
            actor="a",
            source_address=None,
            traceparent=None,
            metadata={},
            hash_version=1,
            key_id=None,
            leaf=b"",
            chain=b"",
            event=OpaqueEvent(raw=b""),
        )
        for position in range(first, last + 1)
    ]


def _positions(events: Sequence[RecordedEvent] | None) -> list[int] | None:
    return None if events is None else [event.position for event in events]


def test_what_it_remembers_is_read_in_order_from_any_place() -> None:
    ring = Ring(100, capacity=10, capacity_bytes=MANY_BYTES)
    ring.extend(_events(101, 105))
    assert _positions(ring.read(100, 2)) == [101, 102]
    assert _positions(ring.read(103, 9)) == [104, 105]
    assert _positions(ring.read(105, 9)) == []


def test_what_it_does_not_remember_is_not_an_empty_answer() -> None:
    ring = Ring(100, capacity=10, capacity_bytes=MANY_BYTES)
    assert ring.read(99, 9) is None
    for first in range(101, 201, 5):
        ring.extend(_events(first, first + 4))
    assert ring.read(100, 9) is None
    assert _positions(ring.read(195, 9)) == [196, 197, 198, 199, 200]


def test_it_holds_at_most_twice_its_capacity() -> None:
    ring = Ring(0, capacity=10, capacity_bytes=MANY_BYTES)
    for position in range(1, 200):
        ring.extend(_events(position, position))
        kept = ring.read(max(0, position - 10), 100)
        assert kept is not None
        assert ring.read(position - 21, 100) is None


def test_large_events_push_out_others_early() -> None:
    ring = Ring(0, capacity=10, capacity_bytes=100)
    ring.extend(_events(1, 8, size=30))
    assert ring.read(0, 9) is None
    assert _positions(ring.read(8, 9)) == []
    assert ring.last == 8


def test_one_event_larger_than_all_is_not_kept() -> None:
    ring = Ring(0, capacity=10, capacity_bytes=100)
    ring.extend(_events(1, 1, size=500))
    assert ring.read(0, 9) is None
    assert ring.last == 1
