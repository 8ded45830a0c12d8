"""Builds from submission to their end, by the workers alone, on an engine in memory."""

import pytest

from adapters.memory.container_engine import Program
from domain.builds import events as e
from domain.builds import recipe
from domain.builds.commands import CancelBuild, SubmitBuild
from domain.builds.events import Step
from domain.builds.spec import BuildSpec, ImageSource, RpmSource, SourceFile
from domain.builds.state import Build
from domain.event import DEFAULT_TENANT
from domain.ports import LogFrame
from tests.support.installation import Installation, names, run
from tests.support.waiting import until

STREAM = "build-b"
TOOLCHAIN = Program(files={recipe.PACKAGES_FILE: b"gcc\n", "/build/SPECS/.keep": b""}, exit_code=0)
PREPARE = Program(files={recipe.PACKAGES_FILE: b"gcc\ngettext\n"}, exit_code=0)
RPMBUILD = Program(
    output=(
        LogFrame(stream="stdout", data=b"+ make\n"),
        LogFrame(stream="stderr", data=b"warning: nothing\n"),
    ),
    files={
        "/build/RPMS/x86_64/hello-1-1.x86_64.rpm": b"binary",
        "/build/SRPMS/hello-1-1.src.rpm": b"source",
    },
    exit_code=0,
)


def resolve(missing: str = "gettext\n", generated: str = "no") -> Program:
    return Program(
        files={
            "/build/out/package": b"hello\t1\t1\t1700000000\n",
            "/build/out/requires": missing.encode(),
            "/build/out/missing": missing.encode(),
            "/build/out/generated": generated.encode(),
        },
        exit_code=0,
    )


async def an_rpm(at: Installation) -> BuildSpec:
    spec, source = b"Name: hello\n", b"tarball"
    return BuildSpec(
        name="hello",
        source=RpmSource(
            spec=SourceFile(name="hello.spec", digest=await at.keep(spec), size=len(spec)),
            sources=(SourceFile(name="x.tgz", digest=await at.keep(source), size=len(source)),),
        ),
    )


def script(at: Installation, spec: BuildSpec, *, missing: tuple[str, ...] = ("gettext",)) -> None:
    """Everything goes well, unless the test says otherwise."""
    at.engine.programs[recipe.toolchain_script(),] = TOOLCHAIN
    at.engine.programs["-c", recipe.resolve_script(spec)] = resolve()
    at.engine.programs[recipe.prepare_script(missing),] = PREPARE
    at.engine.programs[recipe.rpmbuild_command(spec)[1:]] = RPMBUILD


async def submit(at: Installation, spec: BuildSpec) -> None:
    await at.send(SubmitBuild(build_id="b", spec=spec, base_image="base:1"))


def test_an_rpm_is_built_from_its_submission_to_its_artifacts() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        async with at.at_work():
            await submit(at, spec)
            events = await at.recorded(STREAM, e.BuildSucceeded)
            await until(lambda: len(at.calls("remove")) == 4)
        build = await at.state(STREAM)
        assert isinstance(build, Build)
        assert [(a.kind, a.name) for a in build.artifacts] == [
            ("rpm", "hello-1-1.x86_64.rpm"),
            ("srpm", "hello-1-1.src.rpm"),
            ("dockerfile", "Dockerfile"),
        ]
        assert names(events, "BuildStep").count("Finished") == 4
        assert len(at.calls("start")) == len(at.calls("create")) == 4
        (last,) = [
            event
            for event in events
            if isinstance(event, e.BuildStepFinished) and event.step is Step.RPMBUILD
        ]
        assert last.log.tail == ("+ make", "warning: nothing")
        chunks = await at.logs.read(DEFAULT_TENANT, "build-b/1/rpmbuild/1")
        assert [(chunk.stream, chunk.data) for chunk in chunks] == [
            ("stdout", b"+ make\n"),
            ("stderr", b"warning: nothing\n"),
        ]

    run(body)


def test_a_second_build_finds_its_roots_prepared() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        async with at.at_work():
            await submit(at, spec)
            await at.recorded(STREAM, e.BuildSucceeded)
            await at.send(SubmitBuild(build_id="second", spec=spec, base_image="base:1"))
            events = await at.recorded("build-second", e.BuildSucceeded)
        roots = [event for event in events if isinstance(event, e.BuildRootPrepared)]
        assert [root.reused for root in roots] == [True, True]
        assert len(at.calls("commit")) == 2

    run(body)


def test_generated_requirements_are_resolved_in_rounds() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        resolving = ("-c", recipe.resolve_script(spec))
        at.engine.programs[resolving] = resolve("gettext\n", "yes")
        at.engine.programs[recipe.prepare_script(("gettext",)),] = Program(
            files=PREPARE.files  # until the test ends it
        )
        async with at.at_work():
            await submit(at, spec)
            await at.recorded(STREAM, e.BuildStepStarted, times=3)
            at.engine.programs[resolving] = resolve("", "yes")
            at.engine.end("em-b-1-prepare-1", 0)
            events = await at.recorded(STREAM, e.BuildSucceeded)
        started = [event for event in events if isinstance(event, e.BuildStepStarted)]
        assert [(event.step.value, event.round) for event in started] == [
            ("toolchain", 1),
            ("resolve", 1),
            ("prepare", 1),
            ("resolve", 2),
            ("rpmbuild", 1),
        ]

    run(body)


def test_a_compile_error_fails_the_build_and_names_its_line() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        output = b"a.c:1:1: error: nonsense\nerror: Bad exit status from /x (%build)\n"
        at.engine.programs[recipe.rpmbuild_command(spec)[1:]] = Program(
            output=(LogFrame(stream="stderr", data=output),), exit_code=1
        )
        async with at.at_work():
            await submit(at, spec)
            *_, failed = await at.recorded(STREAM, e.BuildFailed)
        assert isinstance(failed, e.BuildFailed)
        assert (failed.phase, failed.exit_code) == ("%build", 1)
        assert "a.c:1:1: error: nonsense" in failed.reason

    run(body)


@pytest.mark.parametrize(
    "left_behind",
    [{f"/build/out/{n}": b"" for n in range(20)}, {"/build/out/large": bytes(2**20 + 1)}],
    ids=["many files", "a large file"],
)
def test_a_spec_that_floods_what_is_read_of_it_fails_the_build(
    left_behind: dict[str, bytes],
) -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        found = resolve()
        at.engine.programs["-c", recipe.resolve_script(spec)] = Program(
            files={**found.files, **left_behind}, exit_code=0
        )
        async with at.at_work():
            await submit(at, spec)
            *_, failed = await at.recorded(STREAM, e.BuildFailed)
        assert isinstance(failed, e.BuildFailed)
        assert failed.step is Step.RESOLVE
        assert "than" in failed.reason

    run(body)


def test_a_cancelled_build_is_killed_and_swept() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        at.engine.programs[recipe.rpmbuild_command(spec)[1:]] = Program()
        async with at.at_work():
            await submit(at, spec)
            await at.recorded(STREAM, e.BuildStepStarted, times=4)
            await at.send(CancelBuild(build_id="b"))
            *_, last = await at.recorded(STREAM, e.BuildCancelled)
            await until(lambda: len(at.calls("remove")) == 4)
        assert isinstance(last, e.BuildCancelled)
        assert at.calls("kill") == ["em-b-1-rpmbuild-1"]
        assert not (await at.engine.list({})).names

    run(body)


def test_a_broken_network_is_tried_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.processes.build_pipeline.FIRST_RETRY_SECONDS", 0.01)

    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        broken = LogFrame(stream="stderr", data=b"Curl error (6): Couldn't resolve host\n")
        at.engine.programs[recipe.prepare_script(("gettext",)),] = Program(
            output=(broken,), exit_code=1
        )
        async with at.at_work():
            await submit(at, spec)
            *_, errored = await at.recorded(STREAM, e.BuildErrored)
            assert isinstance(errored, e.BuildErrored)
            assert errored.retryable
            at.engine.programs[recipe.prepare_script(("gettext",)),] = PREPARE
            events = await at.recorded(STREAM, e.BuildSucceeded)
        assert "BuildRetried" in names(events, "")

    run(body)


def test_a_build_goes_on_where_it_was_when_everything_is_started_anew() -> None:
    async def body(at: Installation) -> None:
        spec = await an_rpm(at)
        script(at, spec)
        at.engine.programs[recipe.rpmbuild_command(spec)[1:]] = Program(
            output=RPMBUILD.output, files=RPMBUILD.files
        )
        async with at.at_work():
            await submit(at, spec)
            await at.recorded(STREAM, e.BuildStepStarted, times=4)
        at.engine.end("em-b-1-rpmbuild-1", 0)
        at.wire()
        async with at.at_work():
            await at.recorded(STREAM, e.BuildSucceeded)
        assert len(at.calls("start")) == 4
        assert len(names(await at.events(STREAM), "")) == 14

    run(body)


async def an_image(at: Installation) -> BuildSpec:
    digest = await at.keep(b"context")
    return BuildSpec(
        name="web",
        source=ImageSource(context=SourceFile(name="context.tar", digest=digest, size=7)),
    )


def test_an_image_is_built_and_its_end_is_never_lost() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await submit(at, await an_image(at))
            events = await at.recorded(STREAM, e.BuildSucceeded)
        assert names(events, "Build") == [
            "Submitted",
            "StepStarted",
            "StepFinished",
            "ImageCreated",
            "Succeeded",
        ]
        assert await at.running_builds.all() == []

    run(body)


def test_an_image_build_has_a_network_of_its_own_which_goes_with_it() -> None:
    async def body(at: Installation) -> None:
        async with at.at_work():
            await submit(at, await an_image(at))
            await at.recorded(STREAM, e.BuildSucceeded)
            await until(lambda: at.engine.networks == {})
        assert at.calls("ensure_network") == ["em-b-1-image"]

    run(body)


def test_an_image_whose_context_is_gone_is_the_systems_fault() -> None:
    async def body(at: Installation) -> None:
        gone = SourceFile(name="context.tar", digest="sha256:" + 64 * "0", size=1)
        spec = BuildSpec(name="web", source=ImageSource(context=gone))
        async with at.at_work():
            await submit(at, spec)
            *_, errored = await at.recorded(STREAM, e.BuildErrored)
        assert isinstance(errored, e.BuildErrored)
        assert "Upload it first" in errored.reason

    run(body)
