"""What a request may say at a place, for whoever wrote something else there."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

_STEP = re.compile(r"\.(\w+)|\[")


def known_fields(wanted: Any, path: str) -> str:
    """In words; path: as msgspec names it. Where there are several kinds, those of each."""
    kinds = _kinds_at(wanted, path)
    return "; ".join(_described(kind) for kind in kinds if isinstance(kind, inspect.StructType))


def known_values(wanted: Any, path: str) -> str:
    """In words; none where they cannot be counted."""
    return ", ".join(str(value) for kind in _kinds_at(wanted, path) for value in _values(kind))


def _kinds_at(wanted: Any, path: str) -> list[inspect.Type]:
    kinds = list(_alternatives(inspect.type_info(wanted)))
    for step in _STEP.finditer(path):
        kinds = [inner for kind in kinds for inner in _within(kind, step[1])]
    return kinds


def _described(kind: inspect.StructType) -> str:
    names = ", ".join(field.encode_name for field in kind.fields) or "none"
    return names if kind.tag is None else f"with {kind.tag_field} {kind.tag}: {names}"


def _within(kind: inspect.Type, field: str | None) -> Iterator[inspect.Type]:
    match kind:
        case inspect.StructType(fields=fields) if field is not None:
            if kind.tag_field == field:
                yield inspect.LiteralType((kind.tag,))
            for each in fields:
                if each.encode_name == field:
                    yield from _alternatives(each.type)
        case inspect.CollectionType(item_type=inner) | inspect.DictType(value_type=inner):
            yield from _alternatives(inner)
        case _:
            return


def _values(kind: inspect.Type) -> Iterator[object]:
    match kind:
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.EnumType(cls=members):
            yield from (member.value for member in members)
        case _:
            return


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.UnionType):
        yield from kind.types
    else:
        yield kind
