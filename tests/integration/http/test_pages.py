"""Pages of events are bounded by bytes too, and go on where they were cut."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.http import pages
from domain.access.commands import RecordAuthenticationFailure
from tests.integration.http.support import Service, run

LARGE = 300
LARGE_BYTES = 30_000


of_every_kind = pytest.mark.parametrize(
    ("path", "cursor"),
    [
        ("/v1/builds/{id}/history", "after_version"),
        ("/v1/builds/{id}/replay", "after_version"),
        ("/v1/events", "from"),
    ],
)


async def every_page(service: Service, path: str, cursor: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    following: int | None = 0
    while following is not None:
        page = await service.get(f"{path}?limit=500&{cursor}={following}")
        found.append(page["items"])
        following = page["next"]
    return found


@of_every_kind
def test_a_page_that_is_large_enough_ends_and_the_next_goes_on_behind_it(
    path: str, cursor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(service: Service) -> None:
        build = await service.a_build()
        await service.post(f"/v1/builds/{build['id']}/cancel")
        (whole,) = await every_page(service, path.format(id=build["id"]), cursor)
        monkeypatch.setattr(pages, "PAGE_BYTES", 1)
        cut = await every_page(service, path.format(id=build["id"]), cursor)
        assert cut == [[item] for item in whole]
        assert len(cut) > 1

    run(story)


@of_every_kind
def test_a_store_that_gives_little_at_once_makes_no_page_shorter(
    path: str, cursor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(service: Service) -> None:
        build = await service.a_build()
        await service.post(f"/v1/builds/{build['id']}/cancel")
        before = await every_page(service, path.format(id=build["id"]), cursor)
        for name in ("read_log", "read_stream"):
            monkeypatch.setattr(service.store, name, one_at_once(getattr(service.store, name)))
        assert await every_page(service, path.format(id=build["id"]), cursor) == before

    run(story)


def one_at_once(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def read_one(*of: object, **how: object) -> Any:
        return await read(*of, **{**how, "limit": 1})

    return read_one


def test_a_page_of_large_events_has_some_megabytes_only() -> None:
    async def story(service: Service) -> None:
        for number in range(LARGE):
            await service.command(a_large_failure(number))
        response = await service.call("GET", "/v1/events?limit=500")
        assert len(await response.read()) < pages.PAGE_BYTES + LARGE * 1_000
        seen = await every_page(service, "/v1/events", "from")
        assert [item["position"] for page in seen for item in page] == list(
            range(1, service.store.position + 1)
        )

    run(story)


def a_large_failure(number: int) -> RecordAuthenticationFailure:
    return RecordAuthenticationFailure(
        attempt_id=f"attempt-{number}",
        key_id="",
        reason="missing",
        method="GET",
        path="/" + "x" * LARGE_BYTES,
    )
