"""Secret values go when their container does, and those that nobody came for go after a while."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest

from domain.application.sweep_secrets import GRACE, SecretSweep
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec, SecretVariable
from domain.errors import SecretMissing
from domain.event import DEFAULT_TENANT
from domain.ports import StoredSecret
from tests.support.installation import Installation, names, run

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"
VALUE = "correct horse"
OLD_SECONDS = GRACE.total_seconds() + 60


async def _keep(at: Installation, value: str = VALUE) -> SecretVariable:
    reference, hmac = await at.secrets.put(DEFAULT_TENANT, value, owner=STREAM)
    return SecretVariable(name="PASSWORD", reference=reference, hmac=hmac)


async def _request(at: Installation, *, start: bool = True) -> SecretVariable:
    secret = await _keep(at)
    spec = msgspec.structs.replace(SPEC, secrets=(secret,))
    await at.send(c.RequestContainer(container_id="a", spec=spec, start=start))
    return secret


async def _is_kept(at: Installation, secret: SecretVariable, value: str = VALUE) -> bool:
    try:
        return await at.secrets.get(DEFAULT_TENANT, secret.reference) == value
    except SecretMissing:
        return False


def _sweep(at: Installation) -> SecretSweep:
    return SecretSweep(secrets=at.secrets, handler=at.handler, clock=at.clock)


async def _remove(at: Installation) -> None:
    await at.send(c.RemoveContainer(container_id="a", force=True))


async def _lose(at: Installation) -> None:
    await at.send(c.ObserveContainerGone(container_id="a"))


@pytest.mark.parametrize("end", [_remove, _lose], ids=["removed", "disappeared"])
def test_the_secrets_of_a_container_that_is_gone_are_erased_and_the_log_says_so(
    end: Callable[[Installation], Awaitable[None]],
) -> None:
    async def body(at: Installation) -> None:
        secret = await _request(at)
        async with at.at_work(at.process_manager, at.executor):
            await at.recorded(STREAM, e.ContainerStarted)
            assert await _is_kept(at, secret)
            await end(at)
            requested, *_, last = await at.recorded(STREAM, e.ContainerSecretsErased)
        assert last == e.ContainerSecretsErased(container_id="a", references=(secret.reference,))
        assert not await _is_kept(at, secret)
        assert isinstance(requested, e.ContainerRequested)
        assert requested.spec.secrets == (secret,)

    run(body)


def test_a_container_without_secrets_leaves_nothing_to_erase() -> None:
    async def body(at: Installation) -> None:
        await at.send(c.RequestContainer(container_id="a", spec=SPEC))
        async with at.at_work(at.process_manager, at.executor):
            await at.recorded(STREAM, e.ContainerStarted)
            await _remove(at)
            await at.recorded(STREAM, e.ContainerRemoved)
            await at.send(c.RequestContainer(container_id="b", spec=SPEC))
            await at.recorded("container-b", e.ContainerStarted)  # what came before is done
        assert names(await at.events(STREAM), "Container")[-1] == "Removed"

    run(body)


def test_an_erasure_that_broke_off_before_its_record_is_recorded_once() -> None:
    async def body(at: Installation) -> None:
        secret = await _request(at)
        erase = at.secrets.erase
        failures = iter([ConnectionError("the answer is lost")])

        async def broken(tenant: str, references: tuple[str, ...]) -> None:
            await erase(tenant, references)
            for failure in failures:
                raise failure

        at.secrets.erase = broken  # type: ignore[method-assign, assignment] # as a power cut would
        async with at.at_work(at.process_manager, at.executor):
            await at.recorded(STREAM, e.ContainerStarted)
            await _remove(at)
            events = await at.recorded(STREAM, e.ContainerSecretsErased)
        assert names(events, "Container").count("SecretsErased") == 1
        assert not await _is_kept(at, secret)

    run(body)


def test_a_value_whose_request_was_never_recorded_is_swept_when_it_is_old() -> None:
    async def body(at: Installation) -> None:
        secret = await _keep(at)
        assert await _sweep(at).sweep() == 0
        at.secrets.age(secret.reference, OLD_SECONDS)
        assert await _sweep(at).sweep() == 1
        assert not await _is_kept(at, secret)
        assert await at.events(STREAM) == []

    run(body)


def test_a_value_that_a_refused_request_left_is_swept_and_the_first_one_stays() -> None:
    async def body(at: Installation) -> None:
        first, second = await _request(at), await _keep(at, "another")
        for secret in (first, second):
            at.secrets.age(secret.reference, OLD_SECONDS)
        assert await _sweep(at).sweep() == 1
        assert await _is_kept(at, first)
        assert not await _is_kept(at, second, "another")

    run(body)


def test_an_old_value_that_is_put_again_during_a_sweep_stays() -> None:
    async def body(at: Installation) -> None:
        secret = await _keep(at)
        at.secrets.age(secret.reference, OLD_SECONDS)
        list_old = at.secrets.list_old

        async def list_and_put(*arguments: Any, **more: Any) -> Sequence[StoredSecret]:
            listed = await list_old(*arguments, **more)
            await _keep(at)
            return listed

        at.secrets.list_old = list_and_put  # type: ignore[method-assign] # by a repeated request
        await _sweep(at).sweep()
        assert await _is_kept(at, secret)

    run(body)


def test_a_sweep_makes_up_for_an_erasure_that_was_missed_and_records_it() -> None:
    async def body(at: Installation) -> None:
        secret = await _request(at)
        async with at.at_work(at.process_manager, at.executor):
            await at.recorded(STREAM, e.ContainerStarted)
        await _lose(at)
        at.secrets.age(secret.reference, OLD_SECONDS)
        assert await _sweep(at).sweep() == 1
        assert await _sweep(at).sweep() == 0
        assert not await _is_kept(at, secret)
        assert names(await at.events(STREAM), "Container")[-2:] == ["Disappeared", "SecretsErased"]

    run(body)
