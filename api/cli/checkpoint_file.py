"""A checkpoint as it is kept elsewhere: one line of JSON, made to last longer than this program."""

from datetime import datetime
from pathlib import Path

import click
import msgspec

from domain.event import LogHead


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """chain: hex. taken_at: for people only."""

    position: int
    chain: str
    taken_at: datetime | None = None

    @property
    def head(self) -> LogHead:
        return LogHead(position=self.position, chain=bytes.fromhex(self.chain))


def read_checkpoint(path: Path) -> Checkpoint:
    try:
        checkpoint = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
        checkpoint.head  # noqa: B018 - is it hexadecimal?
    except (msgspec.MsgspecError, ValueError) as error:
        raise click.UsageError(f"{path} is not a checkpoint: {error}") from error
    return checkpoint
