"""The main job, by the public API alone: sources in, RPM out, installed by dnf, run.

Nothing here has a way in that users do not have; whatever is not true ends it with a sentence.
"""

import asyncio
import re
import tempfile
from pathlib import Path

import click

from api.cli import output
from api.cli.build_fetch import Fetched, fetch_artifacts
from api.cli.build_follow import OUTCOMES, follow_build, read_outcome
from api.cli.client import ApiClient
from api.cli.container_request import read_container_outcome
from api.cli.data_directory import CHECKOUT
from api.cli.history import read_history, show_event
from api.cli.packing import LocalFile, describe, pack_context
from api.cli.service_address import find_service
from api.cli.steps import say, step
from api.cli.upload import ensure_uploaded
from api.cli.wire import Accepted
from domain.builds.spec import BuildSpec, ImageSource, RpmSource, SourceFile
from domain.containers.spec import ContainerSpec
from domain.containers.state import Status
from projections.build_rows import BuildDetails

DEMO = CHECKOUT / "ops" / "demo"
FETCH_SECONDS = 600.0
PACKAGE = re.compile(r"hello-\d[^/]*\.rpm")
GREETING = "Hello, world!"
DOCKERFILE = """\
FROM {base_image}
COPY {package} /tmp/{package}
RUN dnf --assumeyes install /tmp/{package} && rpm --verify hello && rm /tmp/{package}
CMD ["hello"]
"""


class NotTrue(Exception):
    """A claim of the demo does not hold; the text says which."""


async def run_demo(data_dir: Path) -> int:
    """The exit status: 0 only if every step of it was true."""
    try:
        async with ApiClient(find_service(None, None, data_dir)) as client:
            await _demonstrate(client, data_dir / "demo")
    except (NotTrue, OSError, TimeoutError) as error:
        say(f"\nThe demo failed: {error or type(error).__name__}")
        return 1
    except click.ClickException as error:
        say(f"\nThe demo failed: {error.format_message()}")
        return error.exit_code
    return 0


async def _demonstrate(client: ApiClient, directory: Path) -> None:
    say("\n==> Demo: GNU hello, from its sources to a running command")
    with step("Sources") as running:
        running.says = await _fetch_sources(directory)
    rpm_build = await _build_rpm(client, directory)
    with step("RPM") as running:
        package = await _fetch_rpm(client, rpm_build.build_id, directory / "rpms")
        running.says = f"{package.name}, {package.digest} as recorded, fetched"
    image = await _install(client, rpm_build.base_image, Path(package.path))
    with step("hello") as running:
        running.says = await _run_hello(client, image)
    await _show_timeline(client, rpm_build.build_id)
    say(f"\nLook further: {client.url}/v1/builds/{rpm_build.build_id}")
    say(f"              eulermaker build show {rpm_build.build_id}")
    say(f"              eulermaker build log {rpm_build.build_id}")
    say("              eulermaker audit; eulermaker verify\n")


async def _fetch_sources(directory: Path) -> str:
    fetcher = DEMO / "fetch-hello"
    if not fetcher.is_file():
        raise NotTrue(f"{fetcher} is missing: the demo runs from a checkout.")
    process = await asyncio.create_subprocess_exec(
        fetcher, directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            said, complaints = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise NotTrue(f"The sources cannot be had:\n{complaints.decode(errors='replace')}")
    return said.decode().strip() or "here already, checksum as expected"


async def _build_rpm(client: ApiClient, directory: Path) -> BuildDetails:
    archives = sorted(directory.glob("hello-*.tar.gz"))
    files = [describe(DEMO / "hello.spec"), *map(describe, archives)]
    await ensure_uploaded(client, files, shown=False)
    spec, *sources = map(_source_file, files)
    return await _build(
        client, BuildSpec(name="hello", source=RpmSource(spec=spec, sources=tuple(sources)))
    )


async def _fetch_rpm(client: ApiClient, build_id: str, directory: Path) -> Fetched:
    fetched = await fetch_artifacts(client, build_id, directory, force=True, shown=False)
    packages = [
        each
        for each in fetched
        if PACKAGE.fullmatch(each.name) and not each.name.endswith(".src.rpm")
    ]
    if len(packages) != 1:
        raise NotTrue(f"Expected one hello package, found {[each.name for each in packages]}.")
    return packages[0]


async def _install(client: ApiClient, base_image: str, package: Path) -> str:
    """By dnf, with its dependencies checked, into an image that is built for it."""
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as made:
        context = Path(made, "context")
        context.mkdir()
        context.joinpath(package.name).write_bytes(package.read_bytes())
        dockerfile = DOCKERFILE.format(base_image=base_image, package=package.name)
        context.joinpath("Dockerfile").write_text(dockerfile)
        packed = pack_context(context, "Dockerfile", Path(made))
        await ensure_uploaded(client, [packed], shown=False)
    source = ImageSource(context=_source_file(packed), cache=False)
    built = await _build(client, BuildSpec(name="hello-installed", source=source))
    image = built.attempts[-1].image
    if image is None:
        raise NotTrue("The image build made no image.")
    return image.image


async def _build(client: ApiClient, wanted: BuildSpec) -> BuildDetails:
    accepted = output.decode(await client.command("/v1/builds", wanted), Accepted)
    say(f"==> Build {wanted.name}: {accepted.id}")
    status = await follow_build(client, accepted.id)
    if status != 0:
        outcome = next(phase for phase, code in OUTCOMES.items() if code == status)
        raise NotTrue(f"The build {wanted.name} should have succeeded, but {outcome}.")
    return await read_outcome(client, accepted.id)


async def _run_hello(client: ApiClient, image: str) -> str:
    spec = ContainerSpec(image=image, name="hello-demo", command=("hello",))
    answer = await client.command("/v1/containers", {"spec": spec})
    accepted = output.decode(answer, Accepted)
    path = f"/v1/containers/{accepted.id}"
    await client.get(path, {"min_position": accepted.position})  # until it is there to be read
    ended = await read_container_outcome(client, path)
    written = (await client.get(f"{path}/log")).decode(errors="replace").strip()
    if ended.exit_code != 0 or written != GREETING:
        raise NotTrue(
            f"hello ended with {ended.exit_code}, {ended.failure or 'without an error'},"
            f" and wrote {written!r}."
        )
    await client.command(path, method="DELETE", query={"force": "true"})
    await read_container_outcome(client, path, {Status.REMOVED})
    return f'wrote "{written}" in a container,'


async def _show_timeline(client: ApiClient, build_id: str) -> None:
    say("\nWhat happened, as it is recorded for ever:")
    for event in await read_history(client, f"/v1/builds/{build_id}/history"):
        show_event(event)


def _source_file(file: LocalFile) -> SourceFile:
    return SourceFile(name=file.name, digest=file.digest, size=file.size)
