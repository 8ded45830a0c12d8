"""What every ContainerEngine does, in memory and on a Docker Engine."""

from contextlib import aclosing

import msgspec
import pytest

from domain.containers.spec import Limits
from domain.errors import EngineConflict, EngineRefused, ImageNotFound
from tests.support.container_engines import (
    EATS_MEMORY,
    EXITS_WITH_3,
    MEBIBYTE,
    NO_SUCH_PROGRAM,
    Bench,
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
    assert {(each.name, each.status) for each in listed.containers} == {
        (running, "running"),
        (created, "created"),
    }
    assert not (await bench.engine.list({**mine, "io.eulermaker.effect": "other"})).names


@on_each_engine
async def test_a_container_that_cannot_be_inspected_hides_no_other_and_is_not_gone(
    bench: Bench,
) -> None:
    mine = {**labels(), "io.eulermaker.aggregate": new_name()}
    seen, unseen = await bench.running(labels=mine), await bench.created(labels=mine)
    async with bench.failing_to_show(unseen) as engine:
        listed = await engine.list(mine)
    assert [each.name for each in listed.containers] == [seen]
    assert listed.unseen == {unseen}
    assert listed.names == {seen, unseen}


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
