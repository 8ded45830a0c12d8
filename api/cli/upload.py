"""Files on their way into the content-addressed store; what is there already is not sent again."""

from collections.abc import AsyncIterator, Sequence

import click

from api.cli.client import ApiClient
from api.cli.output import decode
from api.cli.packing import PIECE_BYTES, LocalFile
from api.cli.progress import Advance, progress
from api.cli.wire import BlobStat


async def ensure_uploaded(client: ApiClient, files: Sequence[LocalFile], *, shown: bool) -> None:
    for file in {file.digest: file for file in files}.values():
        if not await client.exists(f"/v1/blobs/{file.digest}"):
            await _upload(client, file, shown=shown)


async def _upload(client: ApiClient, file: LocalFile, *, shown: bool) -> None:
    with progress(f"Uploading {file.name}", shown=shown, in_bytes=True) as advance:
        answer = await client.upload("/v1/blobs", _content(file, advance), size=file.size)
    if decode(answer, BlobStat).digest != file.digest:
        raise click.ClickException(f"{file.path} changed while it was uploaded. Submit it again.")


async def _content(file: LocalFile, advance: Advance) -> AsyncIterator[bytes]:
    sent = 0
    with file.path.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            yield piece
            sent += len(piece)
            advance(sent, file.size)
