"""What every ContainerEngine does, in memory and on a Docker Engine."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import msgspec
import pytest

from domain.containers.spec import Limits
from domain.errors import ContainerNotFound, EngineConflict, EngineRefused, ImageNotFound
from domain.ports import EngineContainer, ImageBuildRequest
from tests.support.container_engines import (
    EATS_MEMORY,
    EXITS_WITH_3,
    IS_DEAF_TO_TERM,
    MEBIBYTE,
    NO_SUCH_PROGRAM,
    READS_THE_FILE,
    TALKS,
    TALKS_AND_STAYS,
    WRITES_A_FILE,
    Bench,
    a_tar,
    on_each_engine,
)
from tests.support.docker import labels, new_name
from tests.support.registry import a_registry

# What a container is


@on_each_engine
async def test_a_new_container_has_not_begun(bench: Bench) -> None:
    created = await bench.engine.create(bench.spec())
    assert created.status == "created"
    assert created.created_at is not None
    assert created.created_at.tzinfo is not None
    assert (created.started_at, created.finished_at, created.exit_code) == (None, None, None)
    assert labels().items() <= created.labels.items()
    assert await bench.engine.inspect(created.name) == created


@on_each_engine
async def test_a_running_container_has_no_end(bench: Bench) -> None:
    started = await bench.engine.start(await bench.created())
    assert started.status == "running"
    assert started.created_at is not None
    assert started.started_at is not None
    assert started.started_at >= started.created_at
    assert (started.finished_at, started.exit_code) == (None, None)


@on_each_engine
async def test_an_exit_is_seen_with_its_code_and_time(bench: Bench) -> None:
    name = await bench.running(EXITS_WITH_3.command)
    ended = await bench.end_of(name)
    assert (ended.status, ended.exit_code, ended.out_of_memory) == ("exited", 3, False)
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert ended.finished_at >= ended.started_at


@on_each_engine
async def test_a_container_that_takes_too_much_memory_says_so(bench: Bench) -> None:
    limits = Limits(memory_bytes=16 * MEBIBYTE)
    name = await bench.running(EATS_MEMORY.command, limits=limits)
    ended = await bench.end_of(name)
    assert (ended.exit_code, ended.out_of_memory) == (137, True)


@on_each_engine
async def test_a_program_that_is_not_there_is_refused_and_noted(bench: Bench) -> None:
    name = await bench.created(NO_SUCH_PROGRAM, init=False)
    with pytest.raises(EngineRefused, match="no such file"):
        await bench.engine.start(name)
    failed = await bench.state(name)
    assert (failed.status, failed.exit_code) == ("created", None)
    assert "no such file" in failed.error


@on_each_engine
async def test_containers_are_listed_by_all_their_labels_running_or_not(bench: Bench) -> None:
    mine = {**labels(), "io.eulermaker.aggregate": new_name()}
    running, created = await bench.running(labels=mine), await bench.created(labels=mine)
    await bench.created()
    listed = await bench.engine.list(mine)
    assert {(each.name, each.status) for each in listed} == {
        (running, "running"),
        (created, "created"),
    }
    assert await bench.engine.list({**mine, "io.eulermaker.effect": "other"}) == []


@on_each_engine
async def test_a_container_bears_the_labels_of_its_image_and_its_own_win(bench: Bench) -> None:
    tag = f"eulermaker/test:{new_name()}"
    image_labels = {**labels(), "io.eulermaker.step": "image's", "io.eulermaker.round": "image's"}
    await bench.engine.commit(await bench.created(), tag=tag, labels=image_labels)
    name = await bench.created(image=tag, labels={**labels(), "io.eulermaker.step": "ours"})
    seen = (await bench.state(name)).labels
    assert (seen["io.eulermaker.step"], seen["io.eulermaker.round"]) == ("ours", "image's")


# Create and adopt


@on_each_engine
async def test_creating_again_adopts_what_a_lost_answer_left(bench: Bench) -> None:
    spec = bench.spec(labels={**labels(), "io.eulermaker.spec-sha256": "a"})
    first = await bench.engine.create(spec)
    assert await bench.engine.create(spec) == first


@on_each_engine
async def test_a_container_that_runs_already_is_adopted_as_it_is(bench: Bench) -> None:
    spec = bench.spec()
    await bench.engine.create(spec)
    running = await bench.engine.start(spec.name)
    assert await bench.engine.create(spec) == running


@on_each_engine
async def test_a_container_of_another_specification_is_not_adopted(bench: Bench) -> None:
    spec = bench.spec(labels={**labels(), "io.eulermaker.spec-sha256": "a"})
    await bench.engine.create(spec)
    other = msgspec.structs.replace(spec, labels={**labels(), "io.eulermaker.spec-sha256": "b"})
    with pytest.raises(EngineConflict):
        await bench.engine.create(other)


@on_each_engine
async def test_a_name_that_is_taken_by_a_stranger_is_a_conflict(bench: Bench) -> None:
    name = await bench.created()
    with pytest.raises(EngineConflict):
        await bench.engine.create(
            bench.spec(name=name, labels={**labels(), "io.eulermaker.aggregate": "container-1"})
        )
    with pytest.raises(EngineConflict):
        await bench.engine.create(bench.spec(name=name, labels={}))


@on_each_engine
async def test_an_image_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(ImageNotFound) as refusal:
        await bench.engine.create(bench.spec(image="eulermaker/no-such:1"))
    assert refusal.value.reference == "eulermaker/no-such:1"
    async with a_registry() as registry:
        with pytest.raises(ImageNotFound):
            await bench.engine.pull(f"{registry}/missing:1")


# The state matrix

Act = Callable[[Bench, str], Awaitable[object]]
ACTS: dict[str, Act] = {
    "start": lambda bench, name: bench.engine.start(name),
    "stop": lambda bench, name: bench.engine.stop(name, grace_seconds=5),
    "restart": lambda bench, name: bench.engine.restart(name, grace_seconds=5),
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
        "restart": "running",
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
        "restart": "running",
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
        "restart": "running",
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
        "restart": "running",
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


# Output, files, images


@on_each_engine
async def test_logs_are_the_same_bytes_each_time_and_the_streams_apart(bench: Bench) -> None:
    name = await bench.ended(TALKS.command)
    expected = {"stdout": b"one\nthree\n", "stderr": b"two\n"}
    assert await bench.output(name) == expected
    assert await bench.output(name, follow=False) == expected
    order = [frame.stream async for frame in bench.engine.logs(name, follow=False)]
    assert order == ["stdout", "stderr", "stdout"]


@on_each_engine
async def test_a_follower_hears_what_is_said_and_then_the_end(bench: Bench) -> None:
    name = await bench.running(TALKS_AND_STAYS.command)
    async with aclosing(bench.engine.logs(name, follow=True)) as frames:
        assert (await anext(frames)).data == b"ready\n"
        await bench.engine.stop(name, grace_seconds=5)
        assert [frame async for frame in frames] == []


@on_each_engine
async def test_a_container_that_never_ran_has_said_nothing(bench: Bench) -> None:
    name = await bench.created()
    assert await bench.output(name) == {"stdout": b"", "stderr": b""}


@on_each_engine
async def test_files_go_in_before_the_start_and_come_out_the_same(bench: Bench) -> None:
    name = await bench.created()
    content = bytes(range(256)) * 4096
    await bench.engine.put_files(name, "/srv", a_tar({"large": content, "small": b"s"}))
    assert await bench.files(name, "/srv/large") == {"large": content}
    inside = await bench.files(name, "/srv")
    assert inside == {"srv/large": content, "srv/small": b"s"}


@on_each_engine
async def test_a_path_that_is_not_there_is_refused(bench: Bench) -> None:
    name = await bench.created()
    with pytest.raises(EngineRefused, match="/no/such"):
        await bench.files(name, "/no/such")
    with pytest.raises(EngineRefused):
        await bench.engine.put_files(name, "/no/such", a_tar({"a": b"a" * MEBIBYTE}))


@on_each_engine
async def test_a_container_becomes_an_image_that_runs(bench: Bench) -> None:
    name = await bench.ended(WRITES_A_FILE.command)
    tag = f"eulermaker/test:{name.rpartition('-')[2]}"
    image = await bench.engine.commit(name, tag=tag, labels=labels())
    assert tag in image.tags
    assert await bench.engine.find_image(tag) == image
    assert await bench.engine.find_image(image.image_id) == image
    reader = await bench.running(READS_THE_FILE.command, image=tag)
    assert (await bench.output(reader))["stdout"] == b"built\n"
    assert (await bench.state(reader)).image_id == image.image_id


@on_each_engine
async def test_an_image_has_any_number_of_tags(bench: Bench) -> None:
    name = await bench.created()
    image = await bench.engine.commit(name, tag="eulermaker/test:first", labels=labels())
    for _ in range(2):
        await bench.engine.tag(image.image_id, "eulermaker/test:second")
    found = await bench.engine.find_image("eulermaker/test:second")
    assert found is not None
    assert {"eulermaker/test:first", "eulermaker/test:second"} <= set(found.tags)
    assert await bench.engine.find_image("eulermaker/test:third") is None
    with pytest.raises(ImageNotFound):
        await bench.engine.tag("eulermaker/test:third", "eulermaker/test:fourth")


@on_each_engine
async def test_an_image_is_built_from_a_file(bench: Bench) -> None:
    request = ImageBuildRequest(
        tag="eulermaker/test:scratch",
        dockerfile="Dockerfile",
        target="",
        arguments={},
        labels=labels(),
        limits=Limits(),
        network=new_name(),
    )
    await bench.engine.ensure_network(request.network, labels=labels())
    files = {"Dockerfile": b"FROM scratch\nCOPY a /a\n", "a": b"a"}
    output = [piece async for piece in bench.engine.build_image(request, a_tar(files))]
    assert "FROM" in "".join(piece.text for piece in output)
    image = await bench.engine.find_image(request.tag)
    assert image is not None
    assert output[-1].image_id == image.image_id


# Events


@on_each_engine
async def test_an_event_wakes_whoever_listens_even_before_he_reads(bench: Bench) -> None:
    mine = {**labels(), "io.eulermaker.aggregate": new_name()}
    async with aclosing(bench.engine.events(labels=mine)) as events:
        await bench.created()
        name = await bench.running(labels=mine)
        heard = await anext(events)
        while heard.action != "start":
            heard = await anext(events)
    assert heard.container == name
    assert mine.items() <= heard.labels.items()
    assert heard.at.tzinfo is not None
