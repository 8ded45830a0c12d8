"""An effect that goes wrong every time is reported, so that its stream is not blocked for ever."""

import pytest

from api.workers.executor import MAX_UNKNOWN_ATTEMPTS
from domain.containers import commands as c
from domain.containers import events as e
from domain.containers.spec import ContainerSpec
from domain.errors import StoreOverloaded, StoreUnavailable
from tests.support.installation import Installation, run
from tests.support.waiting import until

SPEC = ContainerSpec(image="alpine:3", name="web", command=("serve",))
STREAM = "container-a"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_delay(_: int) -> float:
        return 0.0

    monkeypatch.setattr("api.workers.executor.backoff", no_delay)


def _fails(at: Installation, error: Exception, *, times: int | None = None) -> list[int]:
    """Creating a container fails; gives the attempts that were made."""
    create = at.engine.create
    attempts: list[int] = []

    async def broken(*args: object, **kwargs: object) -> object:
        attempts.append(len(attempts) + 1)
        if times is None or len(attempts) <= times:
            raise error
        return await create(*args, **kwargs)  # type: ignore[arg-type] # whatever it was given

    at.engine.create = broken  # type: ignore[method-assign, assignment] # as a bug would
    return attempts


@pytest.mark.parametrize("error", [RuntimeError("a bug"), LookupError()])
def test_an_effect_that_fails_every_time_is_reported_and_frees_its_stream(
    error: Exception,
) -> None:
    async def body(at: Installation) -> None:
        attempts = _fails(at, error)
        async with at.at_work(at.process_manager, at.executor):
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            *_, last = await at.recorded(STREAM, e.ContainerOperationOutcomeUnknown)
            await until(at.effects.is_empty)
        assert isinstance(last, e.ContainerOperationOutcomeUnknown)
        assert last.reason == (str(error) or "LookupError")
        assert len(attempts) == MAX_UNKNOWN_ATTEMPTS

    run(body)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), StoreOverloaded("busy")])
def test_a_store_that_is_away_for_long_gives_nothing_up(error: Exception) -> None:
    async def body(at: Installation) -> None:
        attempts = _fails(at, error, times=2 * MAX_UNKNOWN_ATTEMPTS)
        async with at.at_work(at.process_manager, at.executor):
            await at.send(c.RequestContainer(container_id="a", spec=SPEC))
            await at.recorded(STREAM, e.ContainerStarted)
        assert len(attempts) == 2 * MAX_UNKNOWN_ATTEMPTS + 1

    run(body)
