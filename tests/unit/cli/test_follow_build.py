"""Following a build goes on over the attempts that the service makes by itself."""

import asyncio
from typing import Any

import msgspec
import pytest

from api.cli import build_follow, outcome
from api.cli.client import ApiClient
from api.cli.problems import read_problem, refusal
from api.cli.service_address import ServiceAddress
from domain.builds.events import Step
from domain.builds.state import Phase
from projections.answer import Answer
from projections.build_rows import BuildDetails, StepRow
from tests.unit.cli.test_durations import a_build, attempt

FIRST = attempt(1, Phase.ERRORED, began=0, ended=3)
RETRIED = a_build(FIRST, attempt(2, Phase.BUILDING, began=3, ended=None))
SUCCEEDED = a_build(FIRST, attempt(2, Phase.SUCCEEDED, began=3, ended=5))


UNKNOWN = refusal(read_problem(404, b'{"type": "urn:eulermaker:problem:unknown-id"}'))


class Shown(ApiClient):
    """Shows a build as it was at each look (None: not at all yet), and then as it ended."""

    def __init__(self, *looks: BuildDetails | None) -> None:
        super().__init__(ServiceAddress(url="http://127.0.0.1:1", key=""))
        self._looks = list(looks)

    async def read(self, path: str, kind: Any, query: Any = None) -> Any:
        del path, kind, query
        build = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if build is None:
            raise UNKNOWN
        return Answer(projection="builds", version=1, position=1, value=build)


def test_an_attempt_that_began_before_anybody_saw_the_last_one_end_is_followed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    followed: list[int] = []

    async def show_log(*_: Any, attempt: int | None, **__: Any) -> int:
        followed.append(attempt or 1)
        return followed[-1]

    monkeypatch.setattr(build_follow, "show_log", show_log)
    monkeypatch.setattr(outcome, "OUTCOME_SECONDS", 2.0)
    client = Shown(RETRIED, RETRIED, SUCCEEDED)
    assert asyncio.run(build_follow.follow_build(client, "b-1")) == 0
    assert followed == [1, 2]
    assert "Attempt 1 errored" in capsys.readouterr().err


async def _follow_part(client: ApiClient, step: Step | None) -> int:
    return await build_follow.follow_part(client, "b-1", step=step, attempt=1)


@pytest.mark.parametrize(
    ("step", "status"), [(None, 2), (Step.RPMBUILD, 2), (Step.TOOLCHAIN, 0), (Step.RESOLVE, 2)]
)
def test_following_one_attempt_or_step_ends_with_what_became_of_it(
    monkeypatch: pytest.MonkeyPatch, step: Step | None, status: int
) -> None:
    async def show_log(*_: Any, **__: Any) -> int:
        return 1

    steps = (_a_run(Step.TOOLCHAIN, 0), _a_run(Step.RPMBUILD, 1))
    first = msgspec.structs.replace(FIRST, steps=steps)
    build = a_build(first, attempt(2, Phase.BUILDING, began=3, ended=None))
    monkeypatch.setattr(build_follow, "show_log", show_log)
    monkeypatch.setattr(outcome, "OUTCOME_SECONDS", 2.0)
    assert asyncio.run(_follow_part(Shown(build), step)) == status


def test_an_outcome_is_waited_for_while_the_read_model_has_not_even_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outcome, "OUTCOME_SECONDS", 2.0)
    ended = asyncio.run(build_follow.read_outcome(Shown(None, SUCCEEDED), "b-1"))
    assert ended == SUCCEEDED


def _a_run(step: Step, exit_code: int) -> StepRow:
    return StepRow(
        step=step,
        round=1,
        engine_name="em-b-1",
        image_id="sha256:0",
        started_at=FIRST.submitted_at,
        exit_code=exit_code,
    )
