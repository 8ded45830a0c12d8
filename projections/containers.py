"""Containers: the list and the details of each."""

from datetime import datetime
from typing import get_args

import msgspec

from domain.containers.events import ContainerEvent, ContainerRequested
from domain.containers.spec import PolicyDecision
from domain.containers.state import Container, Status, evolve
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


class ContainerDetails(Container, frozen=True, kw_only=True):
    """The aggregate's own state, and what the list shows besides."""

    tenant: str
    image: str
    policy: PolicyDecision
    created_at: datetime
    created_by: str
    changed_at: datetime
    position: int
    created_position: int


class NamedContainer(msgspec.Struct, frozen=True, kw_only=True):
    container_id: str


class LivingContainer(msgspec.Struct, frozen=True, kw_only=True):
    """A container that should be in the engine. engine_name: what the engine knows it by."""

    tenant: str
    container_id: str
    engine_name: str
    status: Status


def project(row: ContainerDetails | None, recorded: RecordedEvent) -> ContainerDetails | None:
    """By the rules of the aggregate itself, so that list and history never disagree."""
    event = recorded.event
    if not isinstance(event, ContainerEvent):
        return row
    if row is None:
        return _begin(event, recorded) if isinstance(event, ContainerRequested) else None
    if isinstance(event, ContainerRequested):
        return row  # there is one beginning
    evolved = evolve(row, event)  # which keeps the type of what it is given
    assert isinstance(evolved, ContainerDetails)
    return msgspec.structs.replace(
        evolved,
        version=recorded.version,
        changed_at=recorded.recorded_at,
        position=recorded.position,
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
    code_version=3,
    row=ContainerDetails,
    key=("tenant", "container_id"),
    key_of=key_of,
    project=project,
    sql=blocks("containers.sql"),
    events=frozenset(get_args(ContainerEvent)),
)
