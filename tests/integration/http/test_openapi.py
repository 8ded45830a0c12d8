"""The OpenAPI document tells what the routes answer."""

import re
from typing import Any

import pytest

from api.http.route import PUBLIC, Route
from api.http.routes import ROUTES
from domain.errors import StoreUnavailable
from projections.errors import ProjectionBehind
from tests.integration.http.support import Service, problem, run

TOO_LARGE = b" " * 300_000
SOME = {"digest": f"sha256:{'0' * 64}"}
KEY_ROUTES = [route for route in ROUTES if route.permission is not PUBLIC]
POSTS = [route for route in ROUTES if route.method == "POST"]
BODY_PROBLEMS = {"body-too-large", "unsupported-media-type", "body-timeout", "truncated-body"}
WAITING = {
    "/v1/containers": {"spec": {"name": "web", "image": "web:1"}},
    "/v1/containers/{container_id}/rename": {"name": "web"},
    "/v1/keys/{key_id}/revoke": {},
}
"""Changes that may have to wait for a read model, and what they are sent."""


def some(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda found: SOME.get(found[1], "key-admin"), path)


class Document:
    """What the service says about itself."""

    def __init__(self, paths: dict[str, Any]) -> None:
        self._paths = paths

    def problems(self, route: Route, status: int | None = None) -> set[str]:
        """Of this status; of any, if None."""
        answers = self._paths[route.path][route.method.lower()]["responses"]
        told = (
            answer["description"]
            for code, answer in answers.items()
            if status is None or code == str(status)
        )
        return {
            name for text in told for name in re.findall(r"urn:eulermaker:problem:([\w-]+)", text)
        }


async def document_of(service: Service) -> Document:
    return Document((await (await service.client.get("/v1/openapi.json")).json())["paths"])


def test_every_route_that_takes_a_key_tells_that_the_store_may_be_away() -> None:
    async def story(service: Service) -> None:
        document = await document_of(service)
        service.store.away = StoreUnavailable("away")
        for route in KEY_ROUTES:
            status, name = await problem(await service.call(route.method, some(route.path)))
            assert (status, name) == (503, "store-unavailable")
            assert name in document.problems(route, status), route.path

    run(story)


def test_every_route_that_is_sent_a_body_tells_what_is_wrong_with_bodies() -> None:
    async def story(service: Service) -> None:
        document = await document_of(service)
        for route in POSTS:
            assert document.problems(route) >= BODY_PROBLEMS, route.path
            headers = {"Content-Encoding": "gzip"}
            response = await service.call("POST", some(route.path), b"{}", headers=headers)
            assert await problem(response) == (415, "unsupported-media-type")
            if not route.raw_body:
                response = await service.call("POST", some(route.path), TOO_LARGE)
                assert await problem(response) == (413, "body-too-large")

    run(story)


@pytest.mark.parametrize("path", WAITING)
def test_a_change_that_waits_for_a_read_model_tells_that_it_may_lag(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def behind(*_: object, **__: object) -> None:
        raise ProjectionBehind("containers", 1, 2)

    async def story(service: Service) -> None:
        document = await document_of(service)
        for query in ("find_containers_named", "list_keys"):
            monkeypatch.setattr(service.parts.queries, query, behind)
        status, name = await problem(await service.call("POST", some(path), WAITING[path]))
        assert (status, name) == (503, "projection-behind")
        (route,) = [route for route in POSTS if route.path == path]
        assert name in document.problems(route, status)

    run(story)
