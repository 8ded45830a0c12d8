"""A build as people read it: what it is, how far it got, and why it went wrong."""

import re

import click

from api.cli import output
from domain.builds.state import Phase
from projections.build_rows import Attempt, BuildDetails, BuildRow, Failure, LogSummary

SHOWN_LINES = 20
_LACKING_SOURCE = re.compile(r"Bad (?:file|source): \S*/SOURCES/(\S+): No such file")
FAULTS = {"user": "the package's fault", "system": "the system's fault"}


def ended_after(build: BuildRow) -> str:
    """Since its submission, over all attempts: what whoever waits for it has waited."""
    return output.took(build.created_at, build.ended_at)


def show_build(build: BuildDetails) -> None:
    ended = ended_after(build)
    output.show_fields(
        (
            ("Build", build.build_id),
            ("Name", build.name),
            ("Kind", build.kind),
            ("Phase", build.phase.value),
            ("Package", build.package),
            ("Base image", build.base_image if build.kind == "rpm" else None),
            ("Submitted", f"{output.moment(build.created_at)} by {build.created_by}"),
            ("Ended after", ended and f"{ended} since it was submitted"),
        )
    )
    for attempt in build.attempts:
        _show_attempt(attempt)


def show_failure(failure: Failure, phase: Phase) -> None:
    """Enough to know what to do, without the whole log."""
    click.secho(output.terminal_safe(failure.reason), fg="red", bold=True)
    output.show_fields(
        (
            ("Fault", None if phase is Phase.CANCELLED else FAULTS[failure.fault]),
            ("Step", failure.step.value if failure.step else None),
            ("Phase", failure.phase),
            ("Exit code", failure.exit_code),
            ("Unresolved", ", ".join(failure.unresolved)),
            ("Retry", "may help" if failure.retryable else None),
            ("Advice", advice(failure, phase)),
        )
    )
    if failure.log_tail:
        click.echo(click.style("Last lines", bold=True))
        for line in failure.log_tail[-SHOWN_LINES:]:
            click.echo(f"  {output.terminal_safe(line)}")


def advice(failure: Failure, phase: Phase) -> str | None:
    """What to change on the command line, where that is plain."""
    if phase is Phase.TIMED_OUT:
        return (
            "Submit it again with more --wall-seconds (for an attempt in all)"
            " or --idle-seconds (without a line of log)."
        )
    lacking = next(filter(None, map(_LACKING_SOURCE.search, failure.log_tail)), None)
    return f"Name {lacking[1]} behind the SPEC when you submit it." if lacking else None


def _log_size(log: LogSummary) -> str:
    return output.size(log.size) + (" (incomplete)" if log.truncated else "")


def _show_attempt(attempt: Attempt) -> None:
    click.echo()
    click.secho(f"Attempt {attempt.attempt}", bold=True, nl=False)
    took = output.took(attempt.submitted_at, attempt.ended_at)
    click.echo(f": {output.styled(attempt.phase.value)}" + (f" after {took}" if took else ""))
    if attempt.steps:
        output.show_table(
            ("STEP", "ROUND", "STARTED", "TOOK", "EXIT", "LOG"),
            (
                (
                    step.step.value,
                    step.round,
                    output.moment(step.started_at),
                    output.took(step.started_at, step.finished_at),
                    step.exit_code,
                    _log_size(step.log) if step.log else "",
                )
                for step in attempt.steps
            ),
        )
    if attempt.artifacts:
        output.show_table(
            ("ARTIFACT", "SIZE", "DIGEST"),
            ((one.name, output.size(one.size), one.digest) for one in attempt.artifacts),
        )
    if attempt.image:
        output.show_fields((("Image", attempt.image.image), ("Image id", attempt.image.image_id)))
    if attempt.failure:
        show_failure(attempt.failure, attempt.phase)
