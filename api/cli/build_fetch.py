"""Artifacts into a directory: each is whole and has its recorded digest, or is not there."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from api.cli.client import ApiClient
from api.cli.packing import PIECE_BYTES
from api.cli.progress import progress
from domain.builds.events import Artifact
from projections.answer import Answer


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    path: str
    digest: str
    size: int


async def fetch_artifacts(
    client: ApiClient,
    build_id: str,
    directory: Path,
    *,
    attempt: int | None = None,
    min_position: int | None = None,
    shown: bool = True,
) -> Sequence[Fetched]:
    path = f"/v1/builds/{build_id}/artifacts"
    query = {"attempt": attempt, "min_position": min_position}
    found = await client.read(path, Answer[tuple[Artifact, ...]], query)
    directory.mkdir(parents=True, exist_ok=True)
    return [
        await _fetch(client, f"{path}/{artifact.name}", artifact, directory, attempt, shown=shown)
        for artifact in found.value
    ]


async def _fetch(
    client: ApiClient,
    path: str,
    artifact: Artifact,
    directory: Path,
    attempt: int | None,
    *,
    shown: bool,
) -> Fetched:
    target = directory / Path(artifact.name).name
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
