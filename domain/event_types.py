"""The closed registry of event types: names to classes, bytes to the newest version of an event.

Nothing outside it is ever imported or built because of what a database said.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from domain.event import Event, OpaqueEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the fields of one schema version into those of the next. Pure."""


class EventTypes:
    """Encodes events, and decodes any version that was ever recorded."""

    def __init__(
        self,
        types: Iterable[type[Event]],
        upcasters: Mapping[tuple[str, int], Upcaster] | None = None,
    ) -> None:
        """upcasters: by type name and the version they start from."""
        self._types = {t.__name__: t for t in types}
        self._decoders = {name: msgspec.json.Decoder(t) for name, t in self._types.items()}
        self._upcasters = dict(upcasters or {})
        self._encoder = msgspec.json.Encoder()

    def __iter__(self) -> Iterator[type[Event]]:
        return iter(self._types.values())

    def encode(self, event: Event) -> bytes:
        if self._types.get(type(event).__name__) is not type(event):
            raise TypeError(f"{type(event).__name__} is not a registered event type")
        return self._encoder.encode(event)

    def decode(self, name: str, schema_version: int, data: bytes) -> Event:
        """An unknown type, a newer version or unreadable data comes back as an OpaqueEvent."""
        known = self._types.get(name)
        if known is None or schema_version > known.schema_version:
            return OpaqueEvent(raw=data)
        try:
            if schema_version == known.schema_version:
                return self._decoders[name].decode(data)
            return self._upcast(known, schema_version, data)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return OpaqueEvent(raw=data)

    def _upcast(self, known: type[Event], schema_version: int, data: bytes) -> Event:
        fields: dict[str, Any] = msgspec.json.decode(data)
        for version in range(schema_version, known.schema_version):
            fields = self._upcasters[known.__name__, version](fields)
        return msgspec.convert(fields, known)
