"""Containers: the list and the details of each."""

from datetime import datetime

import msgspec

from domain.containers.spec import ContainerSpec, Limits, PolicyDecision
from domain.containers.state import Operation, Status


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
