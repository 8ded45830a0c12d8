"""What restarts of the engine showed: a step that it can never start again."""

import pytest

from api.workers.given_up import report_of
from domain.builds.commands import RecordBuildErrored
from domain.builds.events import Step
from domain.processes import effects as f

STEP = f.RunStep(build_id="b", attempt=1, step=Step.RPMBUILD, round=1)


def test_a_step_that_the_engine_never_starts_ends_its_attempt_and_is_tried_anew() -> None:
    report = report_of(STEP, "task already exists")

    assert isinstance(report, RecordBuildErrored)
    assert (report.step, report.retryable) == (Step.RPMBUILD, True)


@pytest.mark.parametrize(
    "effect", [f.StopBuild(build_id="b", attempt=1), f.SweepBuild(build_id="b", attempt=1)]
)
def test_stopping_and_sweeping_are_never_given_up(effect: f.AnyEffect) -> None:
    assert report_of(effect, "no answer") is None
