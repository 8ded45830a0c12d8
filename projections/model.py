"""What a read model is: rows by key, each folded from the events about it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from domain.event import RecordedEvent

Row = TypeVar("Row", bound=msgspec.Struct)
Key = tuple[Any, ...]


class ReadModel(msgspec.Struct, Generic[Row], frozen=True, kw_only=True):
    """The fields of a row are the columns of its table.

    code_version: goes up with every change of `row`, `project` or `sql` that changes stored rows;
    the projector then builds the new ones beside the old.
    key: the columns that identify a row, as `key_of` gives them; None for an event of no concern.
    project: pure; gets None for a key that has no row yet, gives None to leave it so.
    sql: its blocks `table`, `indexes`, and one `reporting_…` for each view for reports.
    """

    name: str
    code_version: int
    row: type[Row]
    key: tuple[str, ...]
    key_of: Callable[[RecordedEvent], Key | None]
    project: Callable[[Row | None, RecordedEvent], Row | None]
    sql: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.row.__struct_fields__

    def keys(self, events: Iterable[RecordedEvent]) -> set[Key]:
        return {key for event in events if (key := self.key_of(event)) is not None}

    def key_of_row(self, row: Row) -> Key:
        return tuple(getattr(row, column) for column in self.key)

    def fold(self, rows: Mapping[Key, Row], events: Iterable[RecordedEvent]) -> dict[Key, Row]:
        """The rows that these events change, as they are afterwards."""
        changed: dict[Key, Row] = {}
        for event in events:
            key = self.key_of(event)
            if key is None:
                continue
            row = self.project(changed.get(key) or rows.get(key), event)
            if row is not None:
                changed[key] = row
        return changed
