"""What people read of a connection that broke, and of a build that somebody cancelled."""

import asyncio

import pytest

from api.cli.build_details import show_failure
from api.cli.client import ApiClient
from api.cli.problems import ServiceUnreachable
from api.cli.service_address import ServiceAddress
from domain.builds.state import Phase
from projections.build_rows import Failure
from tests.acceptance.cli_support import free_port


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
