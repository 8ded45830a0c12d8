"""What can have happened to a read model because somebody asked for it.

A request is recorded before anything is done, so that no change of what readers see goes untraced.
A request without its outcome came to nothing, or its end was not seen.
"""

from domain.event import Event


class ProjectionRebuildRequested(Event, frozen=True, kw_only=True):
    name: str


class ProjectionRebuildBegun(Event, frozen=True, kw_only=True):
    """version: the new one, which nobody reads yet."""

    name: str
    version: int


class ProjectionSwitchRequested(Event, frozen=True, kw_only=True):
    name: str
    version: int


class ProjectionSwitched(Event, frozen=True, kw_only=True):
    """Readers see `version`; just before they saw `previous_version`."""

    name: str
    version: int
    previous_version: int


ReadModelEvent = (
    ProjectionRebuildRequested
    | ProjectionRebuildBegun
    | ProjectionSwitchRequested
    | ProjectionSwitched
)
