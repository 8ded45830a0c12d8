"""Containers: request, operate, list, one now or as of then. Secret values go to the vault only."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.http import errors as e
from api.http.call import Accepted, Answered, Call, entity_tag
from api.http.decoding import Nothing
from api.http.images import check_image
from api.http.limits import check_limits
from api.http.queries import AsOf, OneQuery, PageQuery, Text, state_as_of
from domain.application.aggregates import CONTAINERS
from domain.containers import commands as c
from domain.containers.decide import name_is_taken
from domain.containers.spec import (
    Argument,
    ContainerSpec,
    Limits,
    Name,
    SecretVariable,
    Signal,
    Variable,
)
from domain.containers.state import Container, Status
from projections.answer import Answer, Page
from projections.containers import ContainerDetails, ContainerRow

SecretValues = Annotated[dict[Variable, Argument], Meta(max_length=64)]


class ContainersQuery(PageQuery, frozen=True, kw_only=True):
    """name: what the name begins with."""

    status: Status | None = None
    name: Text | None = None


class ContainerRequest(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """secrets: values of environment variables that stand nowhere else. start: at once."""

    spec: ContainerSpec
    secrets: SecretValues = {}
    start: bool = True

    def __repr__(self) -> str:
        return f"ContainerRequest(spec={self.spec!r}, secrets={sorted(self.secrets)})"


class GraceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """grace_seconds: between the stop signal and the kill; None takes the container's own."""

    grace_seconds: c.Grace | None = None


class KillRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    signal: Signal = "KILL"


class RenameRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name


class RemovalQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """force: also when it runs."""

    force: bool = False


async def request_container(call: Call[Nothing, ContainerRequest]) -> Answered[Accepted]:
    request = call.body
    _check_variables(request)
    await check_image(call, request.spec.image, path="$.spec.image")
    await check_limits(call, request.spec.limits, default=Limits(), path="$.spec.limits")
    container_id = call.derived_id()
    secrets = await _keep_secrets(call, container_id)
    spec = msgspec.structs.replace(request.spec, secrets=secrets)
    command = c.RequestContainer(container_id=container_id, spec=spec, start=request.start)
    return await _accept_named(call, command, spec.name)


def _check_variables(request: ContainerRequest) -> None:
    if request.spec.secrets:
        raise e.Rejected(
            e.ILLEGAL_VALUE,
            "Give secret values under `secrets` of the request; their references are ours.",
            path="$.spec.secrets",
        )
    twice = sorted(set(request.spec.environment) & set(request.secrets))
    if twice:
        raise e.Rejected(
            e.AMBIGUOUS_VARIABLE,
            f"{', '.join(twice)} stands in `environment` and in `secrets`. Leave one out.",
            path="$.secrets",
        )


async def _keep_secrets(
    call: Call[Nothing, ContainerRequest], container_id: str
) -> tuple[SecretVariable, ...]:
    """A repeated request has the references of the first, so that it is the same command."""
    owner = CONTAINERS.stream(container_id)
    kept: list[SecretVariable] = []
    for name, value in sorted(call.body.secrets.items()):
        reference, hmac = await call.parts.secrets.put(call.tenant, value, owner=owner)
        kept.append(SecretVariable(name=name, reference=reference, hmac=hmac))
    return tuple(kept)


async def start_container(call: Call[Nothing, Nothing]) -> Answered[Accepted]:
    return await _operate(call, c.StartContainer(container_id=_id(call)))


async def stop_container(call: Call[Nothing, GraceRequest]) -> Answered[Accepted]:
    grace = call.body.grace_seconds
    return await _operate(call, c.StopContainer(container_id=_id(call), grace_seconds=grace))


async def restart_container(call: Call[Nothing, GraceRequest]) -> Answered[Accepted]:
    grace = call.body.grace_seconds
    return await _operate(call, c.RestartContainer(container_id=_id(call), grace_seconds=grace))


async def pause_container(call: Call[Nothing, Nothing]) -> Answered[Accepted]:
    return await _operate(call, c.PauseContainer(container_id=_id(call)))


async def unpause_container(call: Call[Nothing, Nothing]) -> Answered[Accepted]:
    return await _operate(call, c.UnpauseContainer(container_id=_id(call)))


async def kill_container(call: Call[Nothing, KillRequest]) -> Answered[Accepted]:
    command = c.KillContainer(container_id=_id(call), signal=call.body.signal)
    return await _operate(call, command)


async def rename_container(call: Call[Nothing, RenameRequest]) -> Answered[Accepted]:
    command = c.RenameContainer(container_id=_id(call), name=call.body.name)
    return await _accept_named(call, command, command.name)


async def change_container_limits(call: Call[Nothing, Limits]) -> Answered[Accepted]:
    await check_limits(call, call.body, default=Limits(), path="$")
    return await _operate(call, c.ChangeContainerLimits(container_id=_id(call), limits=call.body))


async def remove_container(call: Call[RemovalQuery, Nothing]) -> Answered[Accepted]:
    command = c.RemoveContainer(container_id=_id(call), force=call.query.force)
    return await _operate(call, command)


async def list_containers(
    call: Call[ContainersQuery, Nothing],
) -> Answered[Page[ContainerRow]]:
    query = call.query
    return Answered(
        body=await call.parts.queries.list_containers(
            call.tenant, status=query.status, name=query.name, page=query.page
        )
    )


async def get_container(
    call: Call[OneQuery, Nothing],
) -> Answered[Answer[ContainerDetails] | AsOf[Container]]:
    container_id = _id(call)
    if call.query.as_of is not None:
        past: AsOf[Container] = await state_as_of(call, CONTAINERS, container_id, call.query.as_of)
        return Answered(body=past, headers={"ETag": entity_tag(past.version)})
    found = await call.parts.queries.get_container(
        call.tenant, container_id, min_position=call.query.min_position
    )
    if found.value is None:
        raise e.Rejected(e.UNKNOWN_ID, f"There is no container {container_id}. List what exists.")
    answer = Answer(
        projection=found.projection,
        version=found.version,
        position=found.position,
        value=found.value,
    )
    return Answered(body=answer, headers={"ETag": entity_tag(found.value.version)})


def _id(call: Call[Any, Any]) -> str:
    return call.path("container_id")


async def _operate(call: Call[Any, Any], command: c.ContainerUserCommand) -> Answered[Accepted]:
    container_id = _id(call)
    return await call.accept(command, container_id, f"/v1/containers/{container_id}")


async def _accept_named(
    call: Call[Any, Any], command: c.RequestContainer | c.RenameContainer, name: str
) -> Answered[Accepted]:
    """Refused where another container of the tenant has the name."""
    container_id, location = command.container_id, f"/v1/containers/{command.container_id}"
    names = call.parts.names
    async with names.lock(call.tenant, name):
        given_at = names.given_at(call.tenant, name)
        refusal = name_is_taken(name, container_id, await _holders(call, name, given_at))
        if refusal is not None:
            return await call.refuse(command, refusal, container_id, location)
        answer = await call.accept(command, container_id, location)
        names.give(call.tenant, name, max(given_at, answer.body.position))
        return answer


async def _holders(call: Call[Any, Any], name: str, min_position: int) -> list[Container]:
    """As the log has them: a read model that lags refuses no name that is free again."""
    found = await call.parts.queries.find_containers_named(
        call.tenant, name, min_position=min_position
    )
    loaded = [
        await call.parts.handler.load(CONTAINERS, call.tenant, each.container_id)
        for each in found.value
    ]
    return [each.state for each in loaded if each.state is not None]
