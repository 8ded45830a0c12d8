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
from projections.answer import Answer


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    path: str
    digest: str
    size: int


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
    """Raises WouldReplace, before the first byte, unless it is forced."""
    path = f"/v1/builds/{build_id}/artifacts"
    found = await client.read(path, Answer[tuple[Artifact, ...]], {"attempt": attempt})
    if not force:
        refuse_to_replace(found.value, directory)
    directory.mkdir(parents=True, exist_ok=True)
    return [
        await _fetch(client, f"{path}/{artifact.name}", artifact, directory, attempt, shown=shown)
        for artifact in found.value
    ]


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
