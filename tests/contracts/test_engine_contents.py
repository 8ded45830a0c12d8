"""Output, files and images of containers, in memory and on a Docker Engine."""

from contextlib import aclosing

import pytest

from domain.errors import EngineRefused, ImageNotFound
from tests.support.container_engines import (
    MEBIBYTE,
    READS_THE_FILE,
    TALKS,
    TALKS_AND_STAYS,
    WRITES_A_FILE,
    Bench,
    a_tar,
    on_each_engine,
)
from tests.support.docker import labels


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
    request = await bench.image_request()
    files = {"Dockerfile": b"FROM scratch\nCOPY a /a\n", "a": b"a"}
    output = [piece async for piece in bench.engine.build_image(request, a_tar(files))]
    assert "FROM" in "".join(piece.text for piece in output)
    image = await bench.engine.find_image(request.tag)
    assert image is not None
    assert output[-1].image_id == image.image_id
