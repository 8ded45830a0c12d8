"""GNU hello from submission to BuildSucceeded, beside its rpmbuild alone by `docker run`.

The same image, command, environment, user and limits; its toolchain is warm on both sides.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.cli.client import ApiClient
from api.cli.data_directory import CHECKOUT
from api.cli.packing import LocalFile, describe
from api.cli.upload import ensure_uploaded
from api.cli.wire import Accepted
from domain.builds import recipe
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from ops.bench.awaited import wait_for
from ops.bench.engine_peers import LABEL
from ops.bench.report import Section
from ops.bench.rounds import Compared
from ops.bench.service import ALL_ROLES, running_service
from projections.answer import Answer
from projections.build_rows import BuildDetails

RATIO, EXTRA_SECONDS = 1.05, 3.0
DEMO = CHECKOUT / "ops" / "demo"
SOURCES = CHECKOUT / "var" / "bench"
BUILD_SECONDS = 900.0
ENDS = "BuildSucceeded,BuildFailed,BuildErrored"


def measure(quick: bool) -> Section:  # noqa: FBT001 - as `Row` has it
    rounds = 1 if quick else 3
    files = _files()
    with running_service(*ALL_ROLES) as service:
        found = asyncio.run(_rounds(ApiClient(service.address), files, rounds))
    allowed = RATIO * found.peer_median + EXTRA_SECONDS
    return Section(
        title="RPM build of GNU hello, beside the same rpmbuild by `docker run`",
        to_reach=f"at most {RATIO}x plus {EXTRA_SECONDS:.0f} s",
        reached=found.our_median <= allowed,
        lines=(
            f"- ours, submission to BuildSucceeded: {_shown(found.ours)}",
            f"- `docker run … rpmbuild`: {_shown(found.peers)}",
            f"- ratio {found.shown_ratio}; allowed were {allowed:.1f} s",
            f"- {rounds} rounds",
        ),
    )


def _shown(seconds: Sequence[float]) -> str:
    return ", ".join(f"{each:.1f}" for each in sorted(seconds)) + " s"


def _files() -> list[LocalFile]:
    subprocess.run((DEMO / "fetch-hello", SOURCES), check=True, timeout=BUILD_SECONDS)  # noqa: S603
    return [describe(DEMO / "hello.spec"), *map(describe, sorted(SOURCES.glob("hello-*.tar.gz")))]


async def _rounds(client: ApiClient, files: list[LocalFile], rounds: int) -> Compared:
    spec = BuildSpec(name="hello", source=_source(files))
    ours: list[float] = []
    theirs: list[float] = []
    async with client:
        await ensure_uploaded(client, files, shown=False)
        _, warm = await _ours(client, spec)
        for _ in range(rounds):
            ours.append((await _ours(client, spec))[0])
            theirs.append(await asyncio.to_thread(_theirs, warm, spec, files))
    return Compared(ours, theirs)


def _source(files: list[LocalFile]) -> RpmSource:
    spec, *sources = [
        SourceFile(name=file.name, digest=file.digest, size=file.size) for file in files
    ]
    return RpmSource(spec=spec, sources=tuple(sources))


async def _ours(client: ApiClient, spec: BuildSpec) -> tuple[float, BuildDetails]:
    async with client.websocket("/v1/events", {"types": ENDS}) as socket:
        began = time.perf_counter()
        answer = await client.command("/v1/builds", spec)
        identifier = msgspec.json.decode(answer, type=Accepted).id
        ended = await wait_for(socket, f"build-{identifier}")
    took = time.perf_counter() - began
    path, query = f"/v1/builds/{identifier}", {"min_position": ended.position}
    details = (await client.read(path, Answer[BuildDetails], query)).value
    if ended.type != "BuildSucceeded":
        raise RuntimeError(f"{ended.type}: {details.reason}")
    return took, details


def _theirs(built: BuildDetails, spec: BuildSpec, files: list[LocalFile]) -> float:
    """The sources lie ready, as the service lays them out."""
    with tempfile.TemporaryDirectory(prefix="eulermaker-") as directory:
        epoch = _lay_out(Path(directory), built, files)
        began = time.perf_counter()
        subprocess.run(  # noqa: S603 - our own words
            _docker_run(built, spec, Path(directory), epoch),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=BUILD_SECONDS,
        )
        return time.perf_counter() - began


def _lay_out(directory: Path, built: BuildDetails, files: list[LocalFile]) -> int:
    requirements = built.current.requirements
    assert requirements is not None
    epoch = requirements.source_date_epoch
    directory.chmod(0o755)
    for number, file in enumerate(files):
        folder = directory / ("SOURCES" if number else "SPECS")
        folder.mkdir(exist_ok=True)
        copy = folder / file.name
        copy.write_bytes(Path(file.path).read_bytes())
        copy.chmod(0o644)
        os.utime(copy, (epoch, epoch))
    return epoch


def _docker_run(built: BuildDetails, spec: BuildSpec, directory: Path, epoch: int) -> list[str]:
    root = built.current.root or built.current.toolchain
    assert root is not None
    limits = spec.limits
    program, *arguments = recipe.rpmbuild_command(spec)
    words = {
        "--label": LABEL,
        "--user": f"{recipe.BUILDER_UID}:{recipe.BUILDER_UID}",
        "--workdir": recipe.TOPDIR,
        "--network": "none",
        "--cap-drop": "ALL",
        "--security-opt": "no-new-privileges",
        "--memory": str(limits.memory_bytes),
        "--memory-swap": str(limits.memory_bytes),
        "--cpus": str(limits.cpu_millis / 1_000),
        "--pids-limit": str(limits.pids),
        "--entrypoint": program,
    }
    options = [word for pair in words.items() for word in pair]
    for name, value in recipe.environment(epoch).items():
        options += ["--env", f"{name}={value}"]
    for folder in ("SPECS", "SOURCES"):
        options += ["--volume", f"{directory / folder}:{recipe.TOPDIR}/{folder}:ro"]
    return ["docker", "run", "--rm", "--init", *options, root.image_id, *arguments]
