"""`eulermaker build submit`: uploads what the service lacks, then asks for the build."""

import tempfile
from pathlib import Path

import click
import msgspec
from click.core import ParameterSource

from api.cli import output
from api.cli.build_follow import follow_build, interrupted_follow
from api.cli.checked import BUILD_ARGUMENT, DOCKERFILE, FILE_NAME, IMAGE, NAME, TARGET, bounds
from api.cli.client import ApiClient
from api.cli.names import name_after
from api.cli.packing import LocalFile, describe, pack_context
from api.cli.session import client_command
from api.cli.sizes import BYTES, CPUS
from api.cli.upload import ensure_uploaded
from api.cli.wire import Accepted
from domain.builds.spec import BUILD_LIMITS, BuildSpec, ImageSource, RpmSource, SourceFile
from domain.containers.spec import Limits

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ONLY_FOR_IMAGES = ("dockerfile", "target", "build_arg", "no_cache")
ONLY_FOR_RPMS = ("base_image",)


@click.command("submit")
@click.argument("spec", required=False, type=FILE)
@click.argument("sources", nargs=-1, type=FILE)
@click.option(
    "--image",
    "context",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Build an image from this directory instead of an RPM.",
)
@click.option(
    "--dockerfile", type=DOCKERFILE, default="Dockerfile", show_default=True, help="With --image."
)
@click.option("--target", type=TARGET, default="", help="The stage to build, with --image.")
@click.option("--build-arg", multiple=True, metavar="NAME=VALUE", help="With --image.")
@click.option("--no-cache", is_flag=True, help="Repeat every step, with --image.")
@click.option("--name", type=NAME, help="The build's name; else after the spec or directory.")
@click.option("--base-image", type=IMAGE, help="What to build an RPM in; else the service's own.")
@click.option("--follow", "-f", is_flag=True, help="Show the log; exit with the build's outcome.")
@click.option(
    "--wall-seconds",
    type=click.IntRange(*bounds(BuildSpec, "wall_seconds")),
    help="For one attempt in all.",
)
@click.option(
    "--idle-seconds",
    type=click.IntRange(*bounds(BuildSpec, "idle_seconds")),
    help="Without a line of log.",
)
@click.option("--memory", type=BYTES, help="Like 512M or 4G.")
@click.option("--cpus", type=CPUS, help="Like 2 or 0.5.")
@client_command
async def submit(
    client: ApiClient,
    *,
    spec: Path | None,
    sources: tuple[Path, ...],
    context: Path | None,
    dockerfile: str,
    target: str,
    build_arg: tuple[str, ...],
    no_cache: bool,
    name: str | None,
    base_image: str | None,
    follow: bool,
    wall_seconds: int | None,
    idle_seconds: int | None,
    memory: int | None,
    cpus: int | None,
    as_json: bool,
) -> int | None:
    """Build an RPM from SPEC and SOURCES, or an image with --image.

    Files that the service has already are not sent again. With --follow Ctrl-C ends the watching,
    not the build.

    \b
    eulermaker build submit hello.spec hello-2.12.tar.gz --follow
    eulermaker build submit --image ./app --follow
    """
    if (spec is None) == (context is None):
        raise click.UsageError("Name a SPEC with its SOURCES, or a directory with --image.")
    _refuse_without_effect(image=context is not None)
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        if spec is not None:
            _check_names(spec, sources)
            files = [describe(spec), *map(describe, sources)]
            source: RpmSource | ImageSource = _rpm_source(files)
        else:
            assert context is not None
            files = [pack_context(context, dockerfile, Path(directory))]
            source = ImageSource(
                context=_source_file(files[0]),
                dockerfile=dockerfile,
                target=target,
                arguments=_build_arguments(build_arg),
                cache=not no_cache,
            )
        await ensure_uploaded(client, files, shown=not as_json)
    wanted = BuildSpec(
        name=name
        or name_after(spec.stem if spec else context.resolve().name if context else "")
        or "build",
        source=source,
        base_image=base_image,
        limits=_limits(memory, cpus),
    )
    if wall_seconds is not None:
        wanted = msgspec.structs.replace(wanted, wall_seconds=wall_seconds)
    if idle_seconds is not None:
        wanted = msgspec.structs.replace(wanted, idle_seconds=idle_seconds)
    return await _submit(client, wanted, follow=follow, as_json=as_json)


async def _submit(client: ApiClient, wanted: BuildSpec, *, follow: bool, as_json: bool) -> int:
    answer = await client.command("/v1/builds", wanted)
    accepted = output.decode(answer, Accepted)
    sentence = f"Build {accepted.id} ({wanted.name}) is submitted."
    if not follow:
        output.show_accepted(answer, sentence, as_json=as_json)
        if not as_json:
            click.echo(f"Watch it: eulermaker build log --follow {accepted.id}")
        return 0
    if not as_json:
        click.echo(sentence, err=True)
    with interrupted_follow(accepted.id):
        return await follow_build(client, accepted.id, as_json=as_json)


def _refuse_without_effect(*, image: bool) -> None:
    """An option that would be ignored is a misunderstanding."""
    context = click.get_current_context()
    for name in ONLY_FOR_RPMS if image else ONLY_FOR_IMAGES:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            advice = (
                "is for RPMs: an image begins with what FROM in its Dockerfile names."
                if image
                else "is for images, which are built with --image DIRECTORY."
            )
            raise click.UsageError(f"--{name.replace('_', '-')} {advice}")


def _check_names(spec: Path, sources: tuple[Path, ...]) -> None:
    if spec.suffix != ".spec":
        raise click.UsageError(f"The first file must be the .spec, not {spec.name}.")
    for file in (spec, *sources):
        FILE_NAME.convert(file.name, None, None)


def _rpm_source(files: list[LocalFile]) -> RpmSource:
    spec, *sources = map(_source_file, files)
    return RpmSource(spec=spec, sources=tuple(sources))


def _build_arguments(build_arg: tuple[str, ...]) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for each in build_arg:
        key, equals, value = each.partition("=")
        if not equals:
            raise click.UsageError(f"--build-arg {each} should be NAME=VALUE.")
        arguments[BUILD_ARGUMENT.convert(key, None, None)] = value
    return arguments


def _source_file(file: LocalFile) -> SourceFile:
    return SourceFile(name=file.name, digest=file.digest, size=file.size)


def _limits(memory: int | None, cpus: int | None) -> Limits:
    return Limits(
        memory_bytes=memory or BUILD_LIMITS.memory_bytes,
        cpu_millis=cpus or BUILD_LIMITS.cpu_millis,
        pids=BUILD_LIMITS.pids,
    )
