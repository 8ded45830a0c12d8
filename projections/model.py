"""What a read model is: rows by key, each folded from the events about it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from domain.event import Event, RecordedEvent

Row = TypeVar("Row", bound=msgspec.Struct)
Key = tuple[Any, ...]


class ReadModel(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """The fields of a row are the columns of its table.

    code_version: goes up with every change of `row`, `project` or `sql` that changes stored rows;
    the projector then builds the new ones beside the old.
    key: the columns that identify a row, as `key_of` gives them; None for an event of no concern.
    project: pure; gets None for a key that has no row yet, gives None to leave it so.
    sql: its blocks `table`, `indexes`, and one `reporting_…` for each view for reports.
    events: the types that it is about, so that others need no look; None for all.
    contiguous: events of one key follow each other in the log with no other between them.
    """

    name: str
    code_version: int
    row: type[Row]
    key: tuple[str, ...]
    key_of: Callable[[RecordedEvent], Key | None]
    project: Callable[[Row | None, RecordedEvent], Row | None]
    sql: Mapping[str, str]
    events: frozenset[type[Event]] | None = None
    contiguous: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return self.row.__struct_fields__

    def relevant(self, events: Iterable[RecordedEvent]) -> list[tuple[Key, RecordedEvent]]:
        """Those of concern, each with the key of the row that it changes."""
        wanted = self.events
        if wanted is not None:
            events = [event for event in events if type(event.event) in wanted]
        key_of = self.key_of
        return [(key, event) for event in events if (key := key_of(event)) is not None]

    def keys_to_load(self, relevant: Sequence[tuple[Key, RecordedEvent]]) -> set[Key]:
        """Of the rows that may exist before these events."""
        first = relevant[:1] if self.contiguous else relevant
        return {key for key, _ in first}

    def key_of_row(self, row: Row) -> Key:
        return tuple(getattr(row, column) for column in self.key)

    def fold(
        self, rows: Mapping[Key, Row], events: Iterable[tuple[Key, RecordedEvent]]
    ) -> dict[Key, Row]:
        """The rows that these events change, as they are afterwards."""
        changed: dict[Key, Row] = {}
        for key, event in events:
            row = self.project(changed.get(key) or rows.get(key), event)
            if row is not None:
                changed[key] = row
        return changed
