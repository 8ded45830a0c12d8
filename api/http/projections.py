"""Read models: what there is, and a new version built, compared and switched to."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.http.call import Answered, Call
from api.http.decoding import Nothing
from api.http.parts import Comparison
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
    name = call.path("name")
    version = await call.parts.projections.rebuild(name)
    return Answered(body=ProjectionVersionNamed(name=name, version=version), status=202)


async def compare_projection(call: Call[Nothing, ProjectionVersion]) -> Answered[Comparison]:
    return Answered(body=await call.parts.projections.compare(call.path("name"), call.body.version))


async def switch_projection(
    call: Call[Nothing, ProjectionVersion],
) -> Answered[ProjectionVersionNamed]:
    name, version = call.path("name"), call.body.version
    await call.parts.projections.switch(name, version)
    return Answered(body=ProjectionVersionNamed(name=name, version=version))
