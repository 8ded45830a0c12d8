"""Nobody is promised more than the engine's machine has, where that is known."""

from typing import Any

import pytest

from domain.containers.spec import MEBIBYTE
from domain.ports import EngineSize
from tests.integration.http.support import Service, problem, run

SMALL = EngineSize(processors=2, memory_bytes=1_024 * MEBIBYTE)
TOO_MANY = {"cpu_millis": 100_000}
TOO_MUCH = {"memory_bytes": 2**40}


async def told(service: Service, path: str, body: Any) -> tuple[int, str, str]:
    response = await service.call("POST", path, body)
    return *await problem(response), (await response.json())["detail"]


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [(TOO_MANY, ("100000", "2000")), (TOO_MUCH, ("1048576 MiB", "1024 MiB"))],
)
def test_limits_beyond_the_machine_are_refused_with_the_numbers(
    limits: dict[str, int], numbers: tuple[str, str]
) -> None:
    async def story(service: Service) -> None:
        existing = (await service.a_container("old"))["id"]
        service.machine.known = SMALL
        file = {"name": "hello.spec", **await service.upload(b"Name: hello")}
        for path, body in (
            ("/v1/containers", {"spec": {"name": "web", "image": "web:1", "limits": limits}}),
            (f"/v1/containers/{existing}/limits", limits),
            (
                "/v1/builds",
                {"name": "a", "source": {"type": "rpm", "spec": file}, "limits": limits},
            ),
        ):
            status, name, detail = await told(service, path, body)
            assert (status, name) == (422, "beyond-the-machine")
            assert all(number in detail for number in numbers)

    run(story)


def test_the_defaults_of_a_build_are_not_refused_where_the_machine_has_less() -> None:
    async def story(service: Service) -> None:
        service.machine.known = EngineSize(processors=1, memory_bytes=1_024 * MEBIBYTE)
        await service.a_build()

    run(story)


def test_where_the_size_is_not_known_the_engine_has_the_last_word() -> None:
    async def story(service: Service) -> None:
        body = {"spec": {"name": "web", "image": "web:1", "limits": TOO_MANY}}
        await service.post("/v1/containers", body)

    run(story)


def test_a_request_that_was_accepted_is_accepted_again_though_the_machine_is_smaller_now() -> None:
    async def story(service: Service) -> None:
        body = {"spec": {"name": "web", "image": "web:1", "limits": TOO_MANY}}
        await service.post("/v1/containers", body, key="request-1")
        service.machine.known = SMALL
        assert (await service.post("/v1/containers", body, key="request-1"))["replayed"]

    run(story)
