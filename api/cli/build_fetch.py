"""Artifacts into a directory: each is whole and has its recorded digest, or is not there.

A file that is there already is somebody's: it is replaced only if that was asked for.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from api.cli import exits
from api.cli.client import ApiClient
from api.cli.packing import PIECE_BYTES, describe
from api.cli.progress import progress
from domain.builds.events import Artifact
from domain.builds.state import ENDED
from projections.answer import Answer
from projections.build_rows import BuildDetails


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    path: str
    digest: str
    size: int


class NothingMade(click.ClickException):
    """There are no files to fetch. The text says what there is instead, or why nothing."""

    exit_code = exits.REFUSED

    def __init__(self, build: BuildDetails, attempt: int | None = None) -> None:
        chosen = build.attempts[(attempt or build.attempt) - 1]
        said = f"Build {build.build_id} {chosen.phase.value}"
        if chosen.image is not None:
            text = (
                f"{said}: it made no files but the image {chosen.image.image}."
                f" Use it: {use_of_image(build.name, chosen.image.image)}"
            )
        elif chosen.phase in ENDED:
            text = f"{said}: there is nothing to fetch. See: eulermaker build show {build.build_id}"
        else:
            text = (
                f"Build {build.build_id} has not ended ({chosen.phase.value})."
                f" Wait for it: eulermaker build log --follow {build.build_id}"
            )
        super().__init__(text)


class WouldReplace(click.ClickException):
    """Files of these names have other content than what would be fetched."""

    exit_code = exits.CANNOT_CREATE

    def __init__(self, targets: Sequence[Path]) -> None:
        super().__init__(
            f"{', '.join(map(str, targets))} would be replaced by other content, so nothing was"
            " fetched. Name another directory, or replace it with --force."
        )


async def fetch_artifacts(
    client: ApiClient,
    build_id: str,
    directory: Path,
    *,
    attempt: int | None = None,
    force: bool = False,
    shown: bool = True,
) -> Sequence[Fetched]:
    """Raises NothingMade; WouldReplace, before the first byte, unless it is forced."""
    artifacts = await read_artifacts(client, build_id, attempt=attempt)
    if not force:
        refuse_to_replace(artifacts, directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = f"/v1/builds/{build_id}/artifacts"
    return [
        await _fetch(client, f"{path}/{artifact.name}", artifact, directory, attempt, shown=shown)
        for artifact in artifacts
    ]


async def read_artifacts(
    client: ApiClient, build_id: str, *, attempt: int | None = None
) -> Sequence[Artifact]:
    """Raises NothingMade."""
    path = f"/v1/builds/{build_id}"
    found = await client.read(
        f"{path}/artifacts", Answer[tuple[Artifact, ...]], {"attempt": attempt}
    )
    if not found.value:
        raise NothingMade((await client.read(path, Answer[BuildDetails])).value, attempt)
    return found.value


def use_of_image(name: str, image: str) -> str:
    return f"eulermaker container run --name {name} --follow {image}"


def refuse_to_replace(artifacts: Sequence[Artifact], directory: Path) -> None:
    others = [
        target
        for artifact in artifacts
        if (target := _target(artifact, directory)).exists()
        and not (target.is_file() and describe(target).digest == artifact.digest)
    ]
    if others:
        raise WouldReplace(others)


def _target(artifact: Artifact, directory: Path) -> Path:
    return directory / Path(artifact.name).name


async def _fetch(
    client: ApiClient,
    path: str,
    artifact: Artifact,
    directory: Path,
    attempt: int | None,
    *,
    shown: bool,
) -> Fetched:
    target = _target(artifact, directory)
    unfinished = target.with_name(f".{target.name}.part")
    digest, count = hashlib.sha256(), 0
    try:
        with (
            progress(f"Fetching {artifact.name}", shown=shown, in_bytes=True) as advance,
            unfinished.open("wb") as file,
        ):
            async with client.open(path, {"attempt": attempt}) as response:
                async for piece in response.content.iter_chunked(PIECE_BYTES):
                    file.write(piece)
                    digest.update(piece)
                    count += len(piece)
                    advance(count, artifact.size)
        if f"sha256:{digest.hexdigest()}" != artifact.digest:
            raise click.ClickException(
                f"{artifact.name} arrived with another digest than was recorded. Fetch it again."
            )
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return Fetched(name=artifact.name, path=str(target), digest=artifact.digest, size=count)
