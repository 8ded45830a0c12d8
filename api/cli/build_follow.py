"""A build's live log until it ends, then its outcome: as a sentence and as the exit status."""

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import click

from api.cli import exits, output
from api.cli.build_details import ended_after, show_failure
from api.cli.build_fetch import use_of_image
from api.cli.build_log import show_log
from api.cli.client import ApiClient
from api.cli.outcome import read_when
from domain.builds.events import Step
from domain.builds.state import ENDED, Phase
from domain.processes.build_pipeline import MAX_AUTOMATIC_ATTEMPTS
from projections.build_rows import Attempt, BuildDetails

OUTCOMES = {
    Phase.SUCCEEDED: 0,
    Phase.FAILED: 1,
    Phase.ERRORED: 2,
    Phase.TIMED_OUT: 3,
    Phase.CANCELLED: 4,
}
"""The exit status for how a build ended."""


async def follow_build(
    client: ApiClient,
    build_id: str,
    *,
    stream: str | None = None,
    offset: int = 0,
    as_json: bool = False,
) -> int:
    """Over all attempts that the service makes by itself; the exit status for the outcome."""
    attempt: int | None = None
    while True:
        followed = await show_log(
            client,
            build_id,
            attempt=attempt,
            stream=stream,
            offset=offset,
            follow=True,
            as_json=as_json,
        )
        build = await _read(client, build_id, partial(_is_over, followed, None))
        over = _over(build, followed)
        if over is build.attempts[-1] and not _is_retried(build):
            break
        attempt, offset = over.attempt + 1, 0
        reason = output.terminal_safe(over.failure.reason if over.failure else "").rstrip(".")
        click.echo(f"Attempt {over.attempt} {over.phase}: {reason}. It is tried again.", err=True)
        await _read(client, build_id, partial(_has_attempt, attempt))
    if as_json:
        output.show_struct(build)
    else:
        show_outcome(build)
    return OUTCOMES[build.phase]


async def follow_part(
    client: ApiClient,
    build_id: str,
    *,
    step: Step | None,
    attempt: int | None,
    stream: str | None = None,
    offset: int = 0,
    as_json: bool = False,
) -> int:
    """Over one attempt, or one step of it; the exit status for the outcome of that attempt, or 0
    once the step has succeeded."""
    followed = await show_log(
        client,
        build_id,
        step=step,
        attempt=attempt,
        stream=stream,
        offset=offset,
        follow=True,
        as_json=as_json,
    )
    build = await _read(client, build_id, partial(_is_over, followed, step))
    over = _over(build, followed)
    return 0 if _has_succeeded(step, over) else OUTCOMES[over.phase]


async def read_outcome(client: ApiClient, build_id: str) -> BuildDetails:
    return await _read(client, build_id, _has_ended)


def _has_ended(build: BuildDetails) -> bool:
    return build.phase in ENDED


def _is_over(followed: int, step: Step | None, build: BuildDetails) -> bool:
    """What was followed of the build: the next attempt may begin before anybody looks."""
    if build.attempt < followed:
        return False  # the read model is behind
    over = _over(build, followed)
    return over.phase in ENDED or _has_succeeded(step, over)


def _has_succeeded(step: Step | None, attempt: Attempt) -> bool:
    return any(run.step is step and run.exit_code == 0 for run in attempt.steps)


def _over(build: BuildDetails, followed: int) -> Attempt:
    return build.attempts[followed - 1]


def _has_attempt(attempt: int, build: BuildDetails) -> bool:
    return build.attempt >= attempt


def _is_retried(build: BuildDetails) -> bool:
    failure = build.attempts[-1].failure
    return (
        build.phase is Phase.ERRORED
        and failure is not None
        and failure.retryable
        and build.attempt < MAX_AUTOMATIC_ATTEMPTS
    )


async def _read(
    client: ApiClient, build_id: str, wanted: Callable[[BuildDetails], bool]
) -> BuildDetails:
    again = f"eulermaker build show {build_id}"
    return await read_when(client, f"/v1/builds/{build_id}", BuildDetails, wanted, again=again)


@contextmanager
def interrupted_follow(build_id: str) -> Generator[None]:
    """Ctrl-C ends the watching, not the build."""
    try:
        yield
    except asyncio.CancelledError:
        click.echo(
            f"\nThe build goes on. Watch it: eulermaker build log --follow {build_id}", err=True
        )
        click.echo(f"Stop it: eulermaker build cancel {build_id}", err=True)
        sys.exit(exits.INTERRUPTED)


def show_outcome(build: BuildDetails) -> None:
    attempt = build.attempts[-1]
    took = output.took(attempt.submitted_at, attempt.ended_at)
    its_own = f" took {took}" if attempt.attempt > 1 else ""
    click.echo(
        f"Build {build.build_id} {output.styled(build.phase.value)} {ended_after(build)} after it"
        f" was submitted (attempt {attempt.attempt}{its_own}).",
        err=True,
    )
    for artifact in attempt.artifacts:
        click.echo(f"  {artifact.name}  {output.size(artifact.size)}  {artifact.digest}", err=True)
    if attempt.artifacts:
        click.echo(f"Fetch them: eulermaker build fetch {build.build_id} ./{build.name}", err=True)
    if attempt.image is not None:
        click.echo(f"  {attempt.image.image}  {attempt.image.image_id}", err=True)
        click.echo(f"Use it: {use_of_image(build.name, attempt.image.image)}", err=True)
    if attempt.failure is not None:
        show_failure(attempt.failure, attempt.phase)
