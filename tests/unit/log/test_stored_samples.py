"""Every version of every event that was ever stored can be read: one sample of each is kept.

A new event or version needs its sample: `python -m tests.unit.log.samples` writes missing ones.
Never change a sample that was released.
"""

import json
from pathlib import Path

import pytest

from adapters.postgres.envelope import split_topic, topic_of
from domain.catalog import EVENT_TYPES
from domain.event import Event, OpaqueEvent

SAMPLES = Path(__file__).parent.parent / "events"
STORED = sorted(SAMPLES.glob("*.json"))


@pytest.mark.parametrize("event_type", tuple(EVENT_TYPES), ids=topic_of)
def test_every_event_version_has_a_sample(event_type: type[Event]) -> None:
    for version in range(1, event_type.schema_version + 1):
        name = event_type.__name__ if version == 1 else f"{event_type.__name__}@{version}"
        assert (SAMPLES / f"{name}.json").exists(), f"store a sample of {name}"


@pytest.mark.parametrize("sample", STORED, ids=lambda path: path.stem)
def test_a_stored_sample_is_read(sample: Path) -> None:
    name, version = split_topic(sample.stem)
    event = EVENT_TYPES.decode(name, version, sample.read_bytes())
    assert not isinstance(event, OpaqueEvent)
    assert type(event).__name__ == name


@pytest.mark.parametrize("sample", STORED, ids=lambda path: path.stem)
def test_nothing_of_a_sample_is_lost_in_its_newest_version(sample: Path) -> None:
    name, version = split_topic(sample.stem)
    stored = json.loads(sample.read_bytes())
    event = EVENT_TYPES.decode(name, version, sample.read_bytes())
    if version == type(event).schema_version:
        again = json.loads(EVENT_TYPES.encode(event))
        assert {key: again[key] for key in stored} == stored
