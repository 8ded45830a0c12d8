"""Containers: the list and the details of each."""

from datetime import datetime
from typing import Any, get_args

import msgspec

from domain.containers.events import ContainerEvent, ContainerRequested
from domain.containers.spec import ContainerSpec, Limits, PolicyDecision
from domain.containers.state import Container, Operation, Status, evolve
from domain.event import RecordedEvent
from projections.model import Key, ReadModel
from projections.sql import blocks


class ContainerRow(msgspec.Struct, frozen=True, kw_only=True):
    """version: of the stream, for `If-Match`. position: of the last event about it.

    created_position: of its first event; lists show the newest first by it.
    """

    tenant: str
    container_id: str
    name: str
    image: str
    status: Status
    exit_code: int | None = None
    out_of_memory: bool = False
    failure: str | None = None
    created_at: datetime
    created_by: str
    started_at: datetime | None = None
    finished_at: datetime | None = None
    changed_at: datetime
    version: int
    position: int
    created_position: int


class ContainerDetails(ContainerRow, frozen=True, kw_only=True):
    """operations: what was asked for and has no outcome yet."""

    spec: ContainerSpec
    policy: PolicyDecision
    limits: Limits
    generation: int
    operations: tuple[Operation, ...] = ()
    engine_id: str | None = None
    engine_name: str | None = None
    image_id: str | None = None


class LivingContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container that should be in the engine. engine_name: what the engine knows it by."""

    tenant: str
    container_id: str
    engine_name: str
    status: Status


_STATE = Container.__struct_fields__


def project(row: ContainerDetails | None, recorded: RecordedEvent) -> ContainerDetails | None:
    """By the rules of the aggregate itself, so that list and history never disagree."""
    event = recorded.event
    if not isinstance(event, ContainerEvent):
        return row
    if row is None:
        return _begin(event, recorded) if isinstance(event, ContainerRequested) else None
    state = Container(**{name: getattr(row, name) for name in _STATE})
    changes: dict[str, Any] = msgspec.structs.asdict(evolve(state, event))
    changes["version"] = recorded.version
    return msgspec.structs.replace(
        row, **changes, changed_at=recorded.recorded_at, position=recorded.position
    )


def _begin(event: ContainerRequested, recorded: RecordedEvent) -> ContainerDetails:
    state = evolve(None, event)
    return ContainerDetails(
        **msgspec.structs.asdict(state),
        tenant=recorded.tenant,
        image=event.spec.image,
        policy=event.policy,
        created_at=recorded.recorded_at,
        created_by=recorded.actor,
        changed_at=recorded.recorded_at,
        position=recorded.position,
        created_position=recorded.position,
    )


def key_of(recorded: RecordedEvent) -> Key | None:
    event = recorded.event
    if isinstance(event, ContainerEvent):
        return recorded.tenant, event.container_id
    return None


CONTAINERS = ReadModel(
    name="containers",
    code_version=1,
    row=ContainerDetails,
    key=("tenant", "container_id"),
    key_of=key_of,
    project=project,
    sql=blocks("containers.sql"),
    events=frozenset(get_args(ContainerEvent)),
)
