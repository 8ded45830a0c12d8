"""A build took what passed since it was submitted, an attempt what passed since it began."""

from datetime import UTC, datetime, timedelta

import pytest

from api.cli.build_details import ended_after, show_build
from api.cli.build_follow import show_outcome
from domain.builds.spec import BuildSpec, RpmSource, SourceFile
from domain.builds.state import Phase
from projections.build_rows import Attempt, BuildDetails

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
SPEC = SourceFile(name="app.spec", digest=f"sha256:{'0' * 64}", size=1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def attempt(number: int, phase: Phase, *, began: float, ended: float | None) -> Attempt:
    until = None if ended is None else at(ended)
    return Attempt(attempt=number, phase=phase, submitted_at=at(began), ended_at=until)


def a_build(*attempts: Attempt) -> BuildDetails:
    last = attempts[-1]
    return BuildDetails(
        tenant="default",
        build_id="b-1",
        name="app",
        kind="rpm",
        phase=last.phase,
        attempt=last.attempt,
        created_at=NOON,
        created_by="key:1",
        started_at=last.submitted_at,
        ended_at=last.ended_at,
        changed_at=NOON,
        version=1,
        position=1,
        created_position=1,
        spec=BuildSpec(name="app", source=RpmSource(spec=SPEC)),
        base_image="base",
        attempts=attempts,
    )


TRIED = a_build(
    attempt(1, Phase.ERRORED, began=0, ended=3), attempt(2, Phase.SUCCEEDED, began=4, ended=5.4)
)


def test_a_build_took_what_passed_since_its_submission_over_all_attempts() -> None:
    assert ended_after(TRIED) == "5.4 s"


def test_a_build_that_has_not_ended_took_nothing_yet() -> None:
    assert ended_after(a_build(attempt(1, Phase.BUILDING, began=0, ended=None))) == ""


def test_an_outcome_says_from_when_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(TRIED)
    said = "Build b-1 succeeded 5.4 s after it was submitted (attempt 2 took 1.4 s).\n"
    assert capsys.readouterr().err.startswith(said)


def test_an_only_attempt_is_not_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    show_outcome(a_build(attempt(1, Phase.SUCCEEDED, began=0, ended=1.4)))
    said = "Build b-1 succeeded 1.4 s after it was submitted (attempt 1).\n"
    assert capsys.readouterr().err.startswith(said)


def test_each_attempt_is_shown_with_its_own_duration(capsys: pytest.CaptureFixture[str]) -> None:
    show_build(TRIED)
    shown = capsys.readouterr().out
    assert "Ended after  5.4 s since it was submitted\n" in shown
    assert "Attempt 1: errored after 3.0 s\n" in shown
    assert "Attempt 2: succeeded after 1.4 s\n" in shown


def test_an_attempt_that_goes_on_has_no_duration(capsys: pytest.CaptureFixture[str]) -> None:
    show_build(a_build(attempt(1, Phase.BUILDING, began=0, ended=None)))
    shown = capsys.readouterr().out
    assert "Ended after" not in shown
    assert "Attempt 1: building\n" in shown
