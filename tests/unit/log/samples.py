"""Writes a sample of each event type that has none, made from its declaration."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from enum import EnumMeta
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from adapters.postgres.envelope import topic_of
from domain.catalog import EVENT_TYPES

SAMPLES = Path(__file__).parent.parent / "events"
MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)
SIMPLE = {str: "text", int: 7, float: 0.5, bool: True, bytes: b"bytes", datetime: MOMENT}
LIMITED = ("/path", f"sha256:{64 * '0'}", 64 * "0", 60, 2**20, 2**23, 2**30)


def a_value(declared: Any) -> Any:  # noqa: PLR0911 - one return a kind of type
    """Some value of a declared type: of a union the first member, of a collection one element."""
    origin, arguments = get_origin(declared), get_args(declared)
    if declared in SIMPLE:
        return SIMPLE[declared]
    if isinstance(declared, EnumMeta):
        return next(iter(declared))
    if origin is Annotated:
        return _fitting(declared, [a_value(arguments[0]), *LIMITED])
    if origin is Literal:
        return arguments[0]
    if origin in {Union, UnionType}:
        return a_value(arguments[0])
    if origin is tuple:
        return (a_value(arguments[0]),)
    if origin is dict:
        return {a_value(arguments[0]): a_value(arguments[1])}
    return a_struct(declared)


def _fitting(declared: Any, candidates: Iterable[Any]) -> Any:
    """The first candidate that the limits of the declared type allow."""
    for candidate in candidates:
        with suppress(msgspec.ValidationError):
            msgspec.convert(msgspec.to_builtins(candidate), declared)
            return candidate
    raise ValueError(f"Add a value of {declared} to LIMITED")


def a_struct(declared: type[msgspec.Struct]) -> msgspec.Struct:
    hints = get_type_hints(declared, include_extras=True)
    return declared(**{field: a_value(hints[field]) for field in declared.__struct_fields__})


def main() -> None:
    for event_type in EVENT_TYPES:
        sample = SAMPLES / f"{topic_of(event_type)}.json"
        if not sample.exists():
            encoded = msgspec.json.encode(a_struct(event_type))
            sample.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
            print(f"wrote {sample.name}")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
