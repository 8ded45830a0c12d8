"""What may be asked of a read model, and what is reported once it is done."""

from domain.event import Command


class RebuildProjection(Command, frozen=True, kw_only=True):
    name: str


class RecordProjectionRebuildBegun(Command, frozen=True, kw_only=True):
    name: str
    version: int


class SwitchProjection(Command, frozen=True, kw_only=True):
    name: str
    version: int


class RecordProjectionSwitched(Command, frozen=True, kw_only=True):
    name: str
    version: int
    previous_version: int


ReadModelCommand = (
    RebuildProjection | RecordProjectionRebuildBegun | SwitchProjection | RecordProjectionSwitched
)
