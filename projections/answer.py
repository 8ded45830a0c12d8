"""Answers that say what they were derived from: log position, projection, and its version."""

from typing import Generic, TypeVar

import msgspec

Value = TypeVar("Value")


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """position: every event up to it, and none after it, is in the answer.

    version: of the projection, counts its rebuilds.
    """

    projection: str
    version: int
    position: int


class Answer(Stamp, Generic[Value], frozen=True, kw_only=True):
    value: Value


class Page(Stamp, Generic[Value], frozen=True, kw_only=True):
    """next: the cursor of the following page, None at the end."""

    items: tuple[Value, ...]
    next: str | None = None
