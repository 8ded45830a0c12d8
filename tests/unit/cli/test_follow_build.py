"""Following a build goes on over the attempts that the service makes by itself."""

import asyncio
from typing import Any

import pytest

from api.cli import build_follow
from api.cli.client import ApiClient
from api.cli.service_address import ServiceAddress
from domain.builds.state import Phase
from projections.answer import Answer
from projections.build_rows import BuildDetails
from tests.unit.cli.test_durations import a_build, attempt

FIRST = attempt(1, Phase.ERRORED, began=0, ended=3)
RETRIED = a_build(FIRST, attempt(2, Phase.BUILDING, began=3, ended=None))
SUCCEEDED = a_build(FIRST, attempt(2, Phase.SUCCEEDED, began=3, ended=5))


class Shown(ApiClient):
    """Shows a build as it was at each look, and then as it ended."""

    def __init__(self, *looks: BuildDetails) -> None:
        super().__init__(ServiceAddress(url="http://127.0.0.1:1", key=""))
        self._looks = list(looks)

    async def read(self, path: str, kind: Any, query: Any = None) -> Any:
        del path, kind, query
        build = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        return Answer(projection="builds", version=1, position=1, value=build)


def test_an_attempt_that_began_before_anybody_saw_the_last_one_end_is_followed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    followed: list[int] = []

    async def show_log(*_: Any, attempt: int | None, **__: Any) -> int:
        followed.append(attempt or 1)
        return followed[-1]

    monkeypatch.setattr(build_follow, "show_log", show_log)
    monkeypatch.setattr(build_follow, "OUTCOME_SECONDS", 2.0)
    client = Shown(RETRIED, RETRIED, SUCCEEDED)
    assert asyncio.run(build_follow.follow_build(client, "b-1")) == 0
    assert followed == [1, 2]
    assert "Attempt 1 errored" in capsys.readouterr().err
