"""What is wrong with a request is told with its place, and with what would be right."""

import pytest

from tests.integration.http.support import Service, problem, run


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"specc": {}', "it ends too early, at byte 12"),
        (b'{"specc": {}} x', "trailing characters (byte 15)"),
        (b'{"specc": {},}', "trailing comma in object (byte 13)"),
        (b'{"specc": "\xff"}', "byte 11 is no UTF-8"),
        (b'{"spec": {}} x', "trailing characters (byte 14)"),
        (b'{"specc": ' + b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_json_is_told_as_such_whatever_its_fields(body: bytes, place: str) -> None:
    async def story(service: Service) -> None:
        response = await service.call("POST", "/v1/containers", body)
        assert await problem(response) == (400, "malformed-json")
        detail = (await response.json())["detail"]
        assert detail == f"The body is no valid JSON: {place}. Correct it."

    run(story)


def test_what_cannot_be_an_id_is_told_as_what_it_is_not() -> None:
    async def story(service: Service) -> None:
        response = await service.call("GET", "/v1/containers/my%20web")
        assert (await response.json())["detail"].startswith("There is no container 'my web'.")

    run(story)


@pytest.mark.parametrize("upgrade", [{}, {"Connection": "Upgrade", "Upgrade": "websocket"}])
@pytest.mark.parametrize(
    ("query", "path", "detail"),
    [
        (
            "types=KeyCreated,ContainerPausd",
            "$.types",
            "There is no event type ContainerPausd. Did you mean ContainerPaused?",
        ),
        ("types=x", "$.types", "There is no event type x."),
        (
            "stream=web",
            "$.stream",
            "There is no stream web. Streams are called by kind and id, like container-…;",
        ),
    ],
)
def test_events_that_there_cannot_be_are_not_waited_for(
    query: str, path: str, detail: str, upgrade: dict[str, str]
) -> None:
    async def story(service: Service) -> None:
        response = await service.call("GET", f"/v1/events?{query}", headers=upgrade)
        assert await problem(response) == (400, "illegal-value")
        body = await response.json()
        assert body["path"] == path
        assert body["detail"].startswith(detail)

    run(story)
