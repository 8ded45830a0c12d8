"""What people read of a connection that broke, and of a build that somebody cancelled."""

import asyncio

import pytest

from api.cli.build_details import advice, show_failure
from api.cli.client import ApiClient
from api.cli.problems import ServiceUnreachable
from api.cli.service_address import ServiceAddress
from domain.builds.state import Phase
from projections.build_rows import Failure
from tests.support.ports import free_port


def test_a_service_that_is_not_there_is_named_in_plain_words() -> None:
    async def story() -> None:
        address = ServiceAddress(url=f"http://127.0.0.1:{free_port()}", key="k")
        async with ApiClient(address) as client:
            with pytest.raises(ServiceUnreachable, match="does not answer: connection refused"):
                await client.get("/v1/builds", tries=1)

    asyncio.run(story())


@pytest.mark.parametrize(("phase", "blamed"), [(Phase.FAILED, True), (Phase.CANCELLED, False)])
def test_nobody_is_blamed_for_a_cancelled_build(
    phase: Phase, capsys: pytest.CaptureFixture[str], *, blamed: bool
) -> None:
    show_failure(Failure(fault="user", reason="Cancelled.", log_tail=("tick 1",)), phase)
    said = capsys.readouterr().out
    assert ("fault" in said) == blamed
    assert "tick 1" in said


def test_a_source_that_was_not_named_is_asked_for() -> None:
    line = "error: Bad file: /build/SOURCES/hi-1.0.tar.gz: No such file or directory"
    failure = Failure(fault="user", reason=line, log_tail=("before", line, "after"))
    assert "hi-1.0.tar.gz behind the SPEC" in (advice(failure, Phase.FAILED) or "")


def test_a_time_limit_is_told_by_its_options() -> None:
    failure = Failure(fault="user", reason="The build took longer than 5 s.")
    said = advice(failure, Phase.TIMED_OUT) or ""
    assert "--wall-seconds" in said
    assert "--idle-seconds" in said


def test_an_ordinary_failure_gets_no_advice() -> None:
    failure = Failure(fault="user", reason="make failed", log_tail=("No such file: a.h",))
    assert advice(failure, Phase.FAILED) is None
