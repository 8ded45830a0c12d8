"""Builds: submit, cancel, retry, list, one now or as of then, and what came out of it."""

from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from api.http import contexts
from api.http import errors as e
from api.http.app_keys import CONTEXT_CHECKS
from api.http.blobs import send_blob
from api.http.call import Accepted, Answered, Call, entity_tag
from api.http.decoding import Nothing
from api.http.images import check_image
from api.http.limits import check_limits
from api.http.queries import AsOf, OneQuery, PageQuery, Position, Text, state_as_of
from domain.application.aggregates import BUILDS
from domain.builds.commands import CancelBuild, RetryBuild, SubmitBuild
from domain.builds.events import Artifact
from domain.builds.spec import BUILD_LIMITS, BuildSpec, ImageSource, SourceFile
from domain.builds.state import Build, Phase
from projections.answer import Answer, Page
from projections.build_rows import BuildDetails, BuildRow

Reason = Annotated[str, Meta(max_length=500)]


class BuildsQuery(PageQuery, frozen=True, kw_only=True):
    """name: what the name begins with."""

    phase: Phase | None = None
    name: Text | None = None


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """reason: recorded for ever, so write nothing personal."""

    reason: Reason = ""


class RetryRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """attempt: the one that ended; None takes any."""

    attempt: Annotated[int, Meta(ge=1)] | None = None


class ArtifactsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """attempt: None takes the last."""

    attempt: Annotated[int, Meta(ge=1)] | None = None
    min_position: Position = 0


async def submit_build(call: Call[Nothing, BuildSpec]) -> Answered[Accepted]:
    spec = call.body
    await _check_content(call)
    base_image = await _base_image(call)
    await check_limits(call, spec.limits, default=BUILD_LIMITS, path="$.limits")
    if spec.base_image:
        await check_image(call, spec.base_image, path="$.base_image")
    build_id = call.derived_id()
    command = SubmitBuild(build_id=build_id, spec=spec, base_image=base_image)
    return await call.accept(command, build_id, f"/v1/builds/{build_id}")


async def _base_image(call: Call[Nothing, BuildSpec]) -> str:
    """What the steps start from; an image build starts from what its Dockerfile says."""
    chosen = call.body.base_image
    if not isinstance(call.body.source, ImageSource):
        return chosen or await _default_base_image(call)
    if chosen is not None:
        raise e.Rejected(
            e.ILLEGAL_VALUE,
            "An image build starts FROM what its Dockerfile names. Leave base_image out, or name"
            " it in source.arguments for an ARG of the Dockerfile.",
            path="$.base_image",
        )
    return ""


async def _default_base_image(call: Call[Nothing, BuildSpec]) -> str:
    """A repeated submission has that of the first, so that it is the same command."""
    if call.may_be_repeated:
        loaded = await call.parts.handler.load(BUILDS, call.tenant, call.derived_id())
        known: Build | None = loaded.state
        if known is not None:
            return known.base_image
    return call.parts.settings.builds.base_image


async def cancel_build(call: Call[Nothing, CancelRequest]) -> Answered[Accepted]:
    build_id = call.path("build_id")
    command = CancelBuild(build_id=build_id, reason=call.body.reason)
    return await call.accept(command, build_id, f"/v1/builds/{build_id}")


async def retry_build(call: Call[Nothing, RetryRequest]) -> Answered[Accepted]:
    build_id = call.path("build_id")
    command = RetryBuild(build_id=build_id, attempt=call.body.attempt)
    return await call.accept(command, build_id, f"/v1/builds/{build_id}")


async def list_builds(call: Call[BuildsQuery, Nothing]) -> Answered[Page[BuildRow]]:
    query = call.query
    return Answered(
        body=await call.parts.queries.list_builds(
            call.tenant, phase=query.phase, name=query.name, page=query.page
        )
    )


async def get_build(
    call: Call[OneQuery, Nothing],
) -> Answered[Answer[BuildDetails] | AsOf[Build]]:
    build_id = call.path("build_id")
    if call.query.as_of is not None:
        past: AsOf[Build] = await state_as_of(call, BUILDS, build_id, call.query.as_of)
        return Answered(body=past, headers={"ETag": entity_tag(past.version)})
    found = await _find(call, build_id)
    return Answered(body=found, headers={"ETag": entity_tag(found.value.version)})


async def list_artifacts(
    call: Call[ArtifactsQuery, Nothing],
) -> Answered[Answer[tuple[Artifact, ...]]]:
    return Answered(body=await _artifacts(call, call.path("build_id")))


async def get_artifact(call: Call[ArtifactsQuery, Nothing]) -> web.StreamResponse:
    build_id, name = call.path("build_id"), call.request.match_info["name"]
    found = await _artifacts(call, build_id)
    artifact = next((a for a in found.value if a.name == name), None)
    if artifact is None:
        raise e.Rejected(e.UNKNOWN_ID, f"Build {build_id} has no artifact of this name.")
    return await send_blob(call, artifact.digest, name=artifact.name)


async def _find(call: Call[Any, Any], build_id: str) -> Answer[BuildDetails]:
    found = await call.parts.queries.get_build(
        call.tenant, build_id, min_position=call.query.min_position
    )
    if found.value is None:
        raise e.Rejected(e.UNKNOWN_ID, f"There is no build {build_id}. List what exists.")
    return Answer(
        projection=found.projection,
        version=found.version,
        position=found.position,
        value=found.value,
    )


async def _artifacts(
    call: Call[ArtifactsQuery, Nothing], build_id: str
) -> Answer[tuple[Artifact, ...]]:
    found = await _find(call, build_id)
    wanted = call.query.attempt or found.value.attempt
    attempt = next((a for a in found.value.attempts if a.attempt == wanted), None)
    if attempt is None:
        raise e.Rejected(e.UNKNOWN_ID, f"Build {build_id} has no attempt {wanted}.")
    return Answer(
        projection=found.projection,
        version=found.version,
        position=found.position,
        value=attempt.artifacts,
    )


async def _check_content(call: Call[Nothing, BuildSpec]) -> None:
    """Everything that the build names is here, in the size it says, and can be read."""
    source = call.body.source
    if isinstance(source, ImageSource):
        await _check_file(call, source.context, "$.source.context")
        room = call.request.app[CONTEXT_CHECKS]
        await contexts.check_context(call.parts, room, call.tenant, source)
        await _check_file(call, source.context, "$.source.context")  # that may have taken long
        return
    await _check_file(call, source.spec, "$.source.spec")
    for index, file in enumerate(source.sources):
        await _check_file(call, file, f"$.source.sources[{index}]")


async def _check_file(call: Call[Nothing, BuildSpec], file: SourceFile, path: str) -> None:
    """Touched, not only looked at: it must still be there when the build is recorded."""
    stat = await call.parts.blobs.touch(call.tenant, file.digest)
    if stat is None:
        raise e.Rejected(
            e.MISSING_CONTENT, f"Upload {file.name} ({file.digest}) to /v1/blobs first.", path=path
        )
    if stat.size != file.size:
        raise e.Rejected(
            e.WRONG_SIZE,
            f"{file.name} has {stat.size} bytes, not {file.size}. Correct its size.",
            path=path,
        )
