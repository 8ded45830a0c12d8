"""`eulermaker verify`: recomputes every hash of the log, without the service."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click
import msgspec

from api.cli.checkpoint_file import read_checkpoint
from api.cli.options import data_dir_option, json_option
from api.cli.output import show_struct
from api.cli.progress import progress
from api.cli.unread import until_unread

if TYPE_CHECKING:
    from adapters.postgres.verify import Damage, LogReport
    from domain.event import LogHead

BAD = 1


@click.command()
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `eulermaker checkpoint` printed earlier: shows a rewritten or shortened log.",
)
@click.option("--database-url", help="Another database than this machine's (or DATABASE_URL).")
@data_dir_option
@json_option
def verify(
    *, checkpoint: Path | None, database_url: str | None, data_dir: Path, as_json: bool
) -> None:
    """Walk the hash chain; name the first bad position.

    The exit status is 0 if all of the log is what was recorded, else 1.
    """
    from api.cli.local_database import load_settings, owner_database

    head = read_checkpoint(checkpoint).head if checkpoint else None
    with owner_database(load_settings(data_dir, database_url)) as url:
        report = asyncio.run(walk(url, head, shown=not as_json))
    with until_unread():
        if as_json:
            show_struct(_Result.of(report))
        else:
            _show(report, head)
    sys.exit(BAD if report.damage else 0)


async def walk(url: str, checkpoint: "LogHead | None", *, shown: bool) -> "LogReport":
    from adapters.postgres.verify import verify_log

    with progress("Verifying", shown=shown) as advance:
        return await verify_log(url, checkpoint=checkpoint, on_progress=advance)


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """position, chain (hex): as far as each hash follows from the one before."""

    ok: bool
    position: int
    chain: str
    bad_position: int | None = None
    kind: str = ""
    explanation: str = ""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: "LogReport") -> Self:
        damage = report.damage
        return cls(
            ok=damage is None,
            position=report.position,
            chain=report.chain.hex(),
            bad_position=damage.position if damage else None,
            kind=damage.kind if damage else "",
            explanation=damage.explanation if damage else "",
            warnings=report.warnings,
        )


def _show(report: "LogReport", checkpoint: "LogHead | None") -> None:
    for warning in report.warnings:
        click.secho(f"Warning: {warning}", fg="yellow")
    if report.damage is None:
        click.secho(f"The log is whole: {report.position} events.", fg="green")
        click.echo(f"Chain hash at its end: {report.chain.hex()}")
        if checkpoint is not None:
            click.echo(f"It is the log of the checkpoint at position {checkpoint.position}.")
        else:
            click.echo(
                "Only a checkpoint that was kept elsewhere shows whether all of it was rewritten:"
                " verify --checkpoint FILE"
            )
        return
    _show_damage(report.damage, good=report.position)


def _show_damage(damage: "Damage", *, good: int) -> None:
    from adapters.postgres.verify import REWRITTEN

    if damage.kind == REWRITTEN:  # somewhere: its hashes agree with one another, not with ours
        where = f"Bad at position {damage.position} or before it ({damage.kind})"
        advice = "Was the checkpoint taken here? Then restore a backup beside the log and compare."
    else:
        where = f"First bad position: {damage.position} ({damage.kind})"
        advice = f"Good up to position {good}: restore a backup beside it and compare."
    click.secho(where, fg="red", bold=True)
    click.echo(damage.explanation)
    click.echo(advice)
