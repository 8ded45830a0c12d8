"""Read models: what there is, and a new version built, compared and switched to.

A rebuild and a switch are recorded before and after: what all readers see, the audit list too, is
not changed unseen. A repeated request carries out what the first one did not.
"""

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.http.call import Answered, Call, uuid_of_ours
from api.http.decoding import Nothing
from api.http.parts import Comparison
from domain.event import Event
from domain.read_models.commands import (
    ReadModelCommand,
    RebuildProjection,
    RecordProjectionRebuildBegun,
    RecordProjectionSwitched,
    SwitchProjection,
)
from domain.read_models.events import ProjectionRebuildBegun
from projections.catalog import read_model
from projections.queries import ProjectionStatus

Version = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ProjectionVersion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: Version


class ProjectionVersionNamed(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: int


class ProjectionList(msgspec.Struct, frozen=True, kw_only=True):
    items: tuple[ProjectionStatus, ...]


async def list_projections(call: Call[Nothing, Nothing]) -> Answered[ProjectionList]:
    return Answered(body=ProjectionList(items=await call.parts.queries.list_projections()))


async def rebuild_projection(call: Call[Nothing, Nothing]) -> Answered[ProjectionVersionNamed]:
    name = read_model(call.path("name")).name
    await call.handle(RebuildProjection(name=name))
    done = await _outcome(call)
    if isinstance(done, ProjectionRebuildBegun):
        version = done.version
    else:
        version = await call.parts.projections.rebuild(name)
        await _record(call, RecordProjectionRebuildBegun(name=name, version=version))
    return Answered(body=ProjectionVersionNamed(name=name, version=version), status=202)


async def compare_projection(call: Call[Nothing, ProjectionVersion]) -> Answered[Comparison]:
    return Answered(body=await call.parts.projections.compare(call.path("name"), call.body.version))


async def switch_projection(
    call: Call[Nothing, ProjectionVersion],
) -> Answered[ProjectionVersionNamed]:
    name, version = read_model(call.path("name")).name, call.body.version
    await call.handle(SwitchProjection(name=name, version=version))
    if await _outcome(call) is None:
        previous = await _active_version(call, name)
        await call.parts.projections.switch(name, version)
        await _record(
            call, RecordProjectionSwitched(name=name, version=version, previous_version=previous)
        )
    return Answered(body=ProjectionVersionNamed(name=name, version=version))


async def _active_version(call: Call[Any, Any], name: str) -> int:
    statuses = await call.parts.queries.list_projections()
    return next((each.version for each in statuses if each.name == name and each.active), 0)


async def _outcome(call: Call[Any, Any]) -> Event | None:
    """What was recorded when this request came before and was carried out."""
    if not call.may_be_repeated:
        return None
    receipt = await call.parts.store.find_receipt(call.tenant, _outcome_id(call))
    if receipt is None:
        return None
    (recorded,) = await call.parts.store.read_stream(
        call.tenant, receipt.stream, after_version=receipt.version - 1, limit=1
    )
    return recorded.event


async def _record(call: Call[Any, Any], command: ReadModelCommand) -> None:
    context = msgspec.structs.replace(call.context(), command_id=_outcome_id(call))
    await call.parts.handler.handle(command, context)


def _outcome_id(call: Call[Any, Any]) -> str:
    """The request and its outcome are two commands; the second one's id follows from the first."""
    digest = hashlib.sha256(f"{call.tenant}\0{call.command_id}\0outcome".encode()).hexdigest()
    return uuid_of_ours(digest)
