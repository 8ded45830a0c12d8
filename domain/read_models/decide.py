"""Requests and outcomes are recorded as they come: which versions are ready is no fact of the log,
so the registry of the read models applies the rules."""

from domain.read_models import commands as c
from domain.read_models import events as e


def evolve(state: e.ReadModelEvent | None, event: e.ReadModelEvent) -> e.ReadModelEvent:
    del state
    return event


def decide(command: c.ReadModelCommand, _: e.ReadModelEvent | None) -> tuple[e.ReadModelEvent, ...]:
    match command:
        case c.RebuildProjection(name=name):
            return (e.ProjectionRebuildRequested(name=name),)
        case c.RecordProjectionRebuildBegun(name=name, version=version):
            return (e.ProjectionRebuildBegun(name=name, version=version),)
        case c.SwitchProjection(name=name, version=version):
            return (e.ProjectionSwitchRequested(name=name, version=version),)
        case c.RecordProjectionSwitched(name=name, version=version, previous_version=previous):
            return (e.ProjectionSwitched(name=name, version=version, previous_version=previous),)
