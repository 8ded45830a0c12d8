"""A container that cannot be made for want of something is said so at once, and leaves nothing."""

import pytest

from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec, SecretVariable
from domain.errors import EngineOutcomeUnknown, SecretMissing, SecretUnreadable
from domain.event import DEFAULT_TENANT
from tests.support.installation import Installation, run

STREAM = "container-a"


async def _requested(at: Installation, spec: ContainerSpec, ends: type[e.ContainerEvent]) -> object:
    async with at.at_work(at.process_manager, at.executor):
        await at.send(c.RequestContainer(container_id="a", spec=spec))
        *_, last = await at.recorded(STREAM, ends)
    return last


async def _with_a_secret(at: Installation) -> ContainerSpec:
    reference, hmac = await at.secrets.put(DEFAULT_TENANT, "hunter2", owner=STREAM)
    secret = SecretVariable(name="TOKEN", reference=reference, hmac=hmac)
    return ContainerSpec(image="alpine:3", name="web", network="isolated", secrets=(secret,))


def _loses_its_secrets(at: Installation, error: type[SecretMissing | SecretUnreadable]) -> None:
    async def get(tenant: str, reference: str) -> str:
        del tenant
        raise error(reference)

    at.secrets.get = get  # type: ignore[method-assign] # as a lost row or key would


@pytest.mark.parametrize("error", [SecretMissing, SecretUnreadable])
def test_a_secret_that_cannot_be_had_fails_the_container_at_once_and_says_what_to_do(
    error: type[SecretMissing | SecretUnreadable],
) -> None:
    async def body(at: Installation) -> None:
        spec = await _with_a_secret(at)
        _loses_its_secrets(at, error)
        failed = await _requested(at, spec, e.ContainerOperationFailed)
        assert isinstance(failed, e.ContainerOperationFailed)
        assert "request another container with the values of its secrets" in failed.reason
        assert (at.calls("create"), at.engine.networks) == ([], {})

    run(body)


def test_a_container_that_was_made_before_its_secret_was_lost_is_found() -> None:
    async def body(at: Installation) -> None:
        spec = await _with_a_secret(at)
        create = at.engine.create

        async def create_and_lose(*args: object) -> object:
            await create(*args)  # type: ignore[arg-type] # whatever it was given
            _loses_its_secrets(at, SecretMissing)
            raise EngineOutcomeUnknown("no answer")

        at.engine.create = create_and_lose  # type: ignore[method-assign, assignment] # for once
        created = await _requested(at, spec, e.ContainerCreated)
        assert isinstance(created, e.ContainerCreated)

    run(body)


def test_a_missing_image_leaves_no_network_behind() -> None:
    async def body(at: Installation) -> None:
        spec = ContainerSpec(image="no-such:1", name="web", network="isolated")
        failed = await _requested(at, spec, e.ContainerOperationFailed)
        assert isinstance(failed, e.ContainerOperationFailed)
        assert at.engine.networks == {}

    run(body)
