"""A build root is what its key says, although the tag of a base image may move at any time."""

import msgspec

from adapters.memory.container_engine import Program
from domain.builds import events as e
from domain.builds import recipe
from domain.builds.commands import SubmitBuild
from domain.builds.events import Step
from domain.builds.spec import BuildSpec
from domain.builds.state import Build
from domain.event import DEFAULT_TENANT
from domain.ports import EngineImage
from tests.support.installation import Installation, run
from tests.unit.workers.test_pipeline import RPMBUILD, TOOLCHAIN, an_rpm, script, submit

STREAM, NAME = "build-b", "em-b-1-toolchain-1"


async def _in_its_toolchain_step(at: Installation) -> BuildSpec:
    """Until the test ends it."""
    spec = msgspec.structs.replace(await an_rpm(at), base_image="base:1")
    script(at, spec)
    at.engine.programs[recipe.toolchain_script(),] = Program(files=TOOLCHAIN.files)
    await submit(at, spec)
    await at.recorded(STREAM, e.BuildStepStarted)
    at.engine.programs[recipe.toolchain_script(),] = TOOLCHAIN
    return spec


def _base(at: Installation) -> EngineImage:
    return at.engine.images.get("base:1")


def _moves(at: Installation) -> EngineImage:
    """The tag: from the image that is returned to a new one."""
    before = _base(at)
    at.engine.images.add("base:1", {}, {})
    assert _base(at) != before
    return before


def _key(base: EngineImage) -> str:
    return recipe.root_key(
        Step.TOOLCHAIN,
        parent_image_id=base.image_id,
        architecture=base.architecture,
        snapshot="default",
    )


async def _toolchain(at: Installation, stream: str) -> e.BuildRootPrepared:
    events = await at.recorded(stream, e.BuildRootPrepared)
    return next(event for event in events if isinstance(event, e.BuildRootPrepared))


async def _dockerfile(at: Installation, stream: str) -> str:
    await at.recorded(stream, e.BuildSucceeded)
    build = await at.state(stream)
    assert isinstance(build, Build)
    (artifact,) = [each for each in build.artifacts if each.kind == "dockerfile"]
    pieces = [piece async for piece in at.blobs.read(DEFAULT_TENANT, artifact.digest)]
    return b"".join(pieces).decode()


def test_a_toolchain_is_kept_for_the_base_image_that_it_was_made_from() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            spec = await _in_its_toolchain_step(at)
            before = _moves(at)
            at.engine.end(NAME, 0)
            assert (await _toolchain(at, STREAM)).key == _key(before)

            await at.send(SubmitBuild(build_id="later", spec=spec, base_image="base:1"))
            later = await _toolchain(at, "build-later")
        assert (later.key, later.reused) == (_key(_base(at)), False)

    run(body)


def test_the_recipe_names_the_base_image_of_the_toolchain() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await _in_its_toolchain_step(at)
            before = _moves(at)
            at.engine.end(NAME, 0)
            assert f"The base image was {before.image_id}." in await _dockerfile(at, STREAM)

    run(body)


def test_the_recipe_names_the_base_image_of_a_toolchain_that_was_there_already() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            spec = await _in_its_toolchain_step(at)
            at.engine.end(NAME, 0)
            await at.recorded(STREAM, e.BuildSucceeded)
            command = recipe.rpmbuild_command(spec)[1:]
            at.engine.programs[command] = Program(files=RPMBUILD.files)
            await at.send(SubmitBuild(build_id="later", spec=spec, base_image="base:1"))
            await at.recorded("build-later", e.BuildStepStarted, times=2)
            before = _moves(at)
            at.engine.end("em-later-1-rpmbuild-1", 0)
            text = await _dockerfile(at, "build-later")
        assert f"The base image was {before.image_id}." in text

    run(body)


def test_an_image_that_does_not_say_what_it_was_made_from_is_made_anew() -> None:
    async def body(at: Installation) -> None:
        tag = recipe.root_tag(Step.TOOLCHAIN, _key(_base(at)))
        at.engine.images.add(tag, {}, {})
        spec = await an_rpm(at)
        script(at, spec)
        async with at.at_work():
            await submit(at, spec)
            assert not (await _toolchain(at, STREAM)).reused

    run(body)


def test_a_base_image_that_is_removed_under_a_step_is_not_the_users_fault() -> None:
    async def body(at: Installation) -> None:
        find_image = at.engine.find_image
        removed = _base(at).image_id

        async def find(reference: str) -> EngineImage | None:
            return None if reference == removed else await find_image(reference)

        async with at.at_work():
            await _in_its_toolchain_step(at)
            at.engine.find_image = find  # type: ignore[method-assign] # docker rmi --force
            at.engine.end(NAME, 0)
            *_, errored = await at.recorded(STREAM, e.BuildErrored)
        assert isinstance(errored, e.BuildErrored)
        assert errored.retryable

    run(body)
