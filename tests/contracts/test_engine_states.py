"""What each call does to a container in each state, in memory and on a Docker Engine."""

from collections.abc import Awaitable, Callable

import pytest

from domain.containers.spec import Limits
from domain.errors import ContainerNotFound, EngineConflict
from domain.ports import EngineContainer
from tests.support.container_engines import IS_DEAF_TO_TERM, MEBIBYTE, Bench, a_tar, on_each_engine
from tests.support.docker import labels, new_name

Act = Callable[[Bench, str], Awaitable[object]]
ACTS: dict[str, Act] = {
    "start": lambda bench, name: bench.engine.start(name),
    "stop": lambda bench, name: bench.engine.stop(name, grace_seconds=5),
    "pause": lambda bench, name: bench.engine.pause(name),
    "unpause": lambda bench, name: bench.engine.unpause(name),
    "kill": lambda bench, name: bench.engine.kill(name, signal="KILL"),
    "update": lambda bench, name: bench.engine.update(name, Limits(memory_bytes=64 * MEBIBYTE)),
    "remove": lambda bench, name: bench.engine.remove(name, force=False),
    "remove by force": lambda bench, name: bench.engine.remove(name, force=True),
}
CONFLICT, GONE = "conflict", "gone"
MATRIX = {
    "created": {
        "start": "running",
        "stop": "created",
        "pause": CONFLICT,
        "unpause": CONFLICT,
        "kill": CONFLICT,
        "update": "created",
        "remove": GONE,
        "remove by force": GONE,
    },
    "running": {
        "start": "running",
        "stop": "exited",
        "pause": "paused",
        "unpause": "running",
        "kill": "exited",
        "update": "running",
        "remove": CONFLICT,
        "remove by force": GONE,
    },
    "paused": {
        "start": CONFLICT,
        "stop": "exited",
        "pause": "paused",
        "unpause": "running",
        "kill": "exited",
        "update": "paused",
        "remove": CONFLICT,
        "remove by force": GONE,
    },
    "exited": {
        "start": "running",
        "stop": "exited",
        "pause": CONFLICT,
        "unpause": CONFLICT,
        "kill": "exited",
        "update": "exited",
        "remove": GONE,
        "remove by force": GONE,
    },
}


@on_each_engine
async def test_every_call_in_every_state_does_what_the_matrix_says(bench: Bench) -> None:
    found = {before: {act: await outcome(bench, before, act) for act in ACTS} for before in MATRIX}
    assert found == MATRIX


async def outcome(bench: Bench, before: str, act: str) -> str:
    name = await a_container(bench, before)
    try:
        await ACTS[act](bench, name)
    except EngineConflict:
        assert await bench.status(name) == before
        return CONFLICT
    after = await settled(bench, name, act)
    await bench.engine.remove(name, force=True)
    return after.status if after else GONE


async def settled(bench: Bench, name: str, act: str) -> EngineContainer | None:
    """A signal is delivered before its effect is seen."""
    found = await bench.engine.inspect(name)
    if act == "kill" and found and found.status in {"running", "paused"}:
        return await bench.end_of(name)
    return found


async def a_container(bench: Bench, status: str) -> str:
    name = await bench.created()
    if status != "created":
        await bench.engine.start(name)
    if status == "paused":
        await bench.engine.pause(name)
    if status == "exited":
        await bench.engine.kill(name, signal="KILL")
        await bench.end_of(name)
    return name


@on_each_engine
async def test_nothing_can_be_done_to_a_container_that_is_not_there(bench: Bench) -> None:
    name = new_name()
    assert await bench.engine.inspect(name) is None
    for act in set(ACTS) - {"remove", "remove by force"}:
        with pytest.raises(ContainerNotFound):
            await ACTS[act](bench, name)
    with pytest.raises(ContainerNotFound):
        await bench.output(name)
    with pytest.raises(ContainerNotFound):
        await bench.files(name, "/etc")
    with pytest.raises(ContainerNotFound):
        await bench.engine.put_files(name, "/srv", a_tar({"a": b""}))
    with pytest.raises(ContainerNotFound):
        await bench.engine.commit(name, tag="eulermaker/no-such:1", labels=labels())


@on_each_engine
async def test_removing_what_is_gone_is_a_success(bench: Bench) -> None:
    name = await bench.running()
    await bench.engine.remove(name, force=True)
    await bench.engine.remove(name, force=True)
    await bench.engine.remove(name, force=False)
    assert await bench.engine.inspect(name) is None


@on_each_engine
async def test_a_program_that_obeys_ends_by_the_signal_it_was_sent(bench: Bench) -> None:
    name = await bench.running()
    await bench.engine.kill(name, signal="TERM")
    assert (await bench.end_of(name)).exit_code == 143


@on_each_engine
async def test_a_program_that_does_not_obey_is_killed_after_its_grace(bench: Bench) -> None:
    name = await bench.running(IS_DEAF_TO_TERM.command)
    assert (await bench.engine.stop(name, grace_seconds=1)).exit_code == 137


@on_each_engine
async def test_a_second_run_hides_the_end_of_the_first(bench: Bench) -> None:
    name = await bench.running()
    first = await bench.engine.stop(name, grace_seconds=5)
    again = await bench.engine.start(name)
    assert first.exit_code == 143
    assert (again.status, again.exit_code, again.finished_at) == ("running", None, None)
    assert again.engine_id == first.engine_id
