"""From an event of the log to what is to be done about it."""

from typing import Any

from domain.builds.events import BuildEvent
from domain.containers.events import ContainerEvent
from domain.event import RecordedEvent
from domain.processes import build_pipeline, container_lifecycle
from domain.processes.effects import NOTHING, Reaction


def needs_state(recorded: RecordedEvent) -> bool:
    return isinstance(recorded.event, BuildEvent | container_lifecycle.GONE)


def react(recorded: RecordedEvent, state: Any) -> Reaction:
    """state: of the event's aggregate right after it, where `needs_state`."""
    if isinstance(recorded.event, ContainerEvent):
        return container_lifecycle.react(recorded.event, recorded.version, state)
    if isinstance(recorded.event, BuildEvent):
        return build_pipeline.react(recorded.event, state)
    return NOTHING
