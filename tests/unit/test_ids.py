"""Ids that sort by time."""

from uuid import UUID

from adapters.system import TimeOrderedIds


def test_an_id_is_a_uuid_of_version_7() -> None:
    identifier = TimeOrderedIds().new()
    assert UUID(identifier).version == 7
    assert str(UUID(identifier)) == identifier


def test_ids_differ_and_begin_with_the_time() -> None:
    makers = [TimeOrderedIds(), TimeOrderedIds()]
    ids = [makers[number % 2].new() for number in range(10_000)]
    assert len(set(ids)) == len(ids)
    times = [identifier[:13] for identifier in ids]
    assert times == sorted(times)
