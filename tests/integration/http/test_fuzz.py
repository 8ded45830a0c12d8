"""Whatever is sent: never a 500, and never half a change."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.http.routes import ROUTES
from tests.integration.http.support import a_service

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)
CONTAINER_FIELDS = st.sampled_from(
    ["name", "image", "command", "environment", "labels", "limits", "network", "tmpfs", "user"]
)
SPECS = st.dictionaries(CONTAINER_FIELDS, VALUES | st.sampled_from(["web", "web:1"]), max_size=6)
BODIES = (
    VALUES
    | st.fixed_dictionaries({"spec": SPECS, "secrets": VALUES})
    | st.fixed_dictionaries({"name": VALUES, "source": VALUES})
    | st.fixed_dictionaries({"spec": st.just({"name": "web", "image": "web:1"}), "secrets": VALUES})
)
POSTS = [route.path for route in ROUTES if route.method == "POST"]
GETS = [route.path for route in ROUTES if route.method == "GET"]
IDENTIFIERS = st.sampled_from(["some-id", "%00", "..%2f", "%ff", "a" * 300, "%F0%9F%92%A9"])
QUERIES = st.dictionaries(
    st.sampled_from(
        ["as_of", "after", "limit", "from", "min_position", "since", "name", "offset", "follow"]
    ),
    st.text(max_size=20) | st.integers().map(str) | st.just("-1"),
    max_size=3,
)
REPEATED = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def fill(path: str, identifier: str) -> str:
    before, brace, rest = path.partition("{")
    return before if not brace else before + identifier + fill(rest.partition("}")[2], identifier)


@REPEATED
@given(bodies=st.lists(BODIES | st.binary(max_size=40), min_size=5, max_size=10), key=IDENTIFIERS)
@pytest.mark.parametrize("path", POSTS)
def test_no_body_makes_the_service_fail(path: str, bodies: list[Any], key: str) -> None:
    async def story() -> None:
        async with a_service() as service:
            for body in bodies:
                before = service.store.position
                response = await service.call("POST", fill(path, key), body)
                assert response.status < 500, (path, body, await response.text())
                if response.status >= 400 and response.status != 409:
                    assert service.store.position == before

    asyncio.run(story())


@REPEATED
@given(queries=st.lists(QUERIES, min_size=5, max_size=10), key=IDENTIFIERS)
@pytest.mark.parametrize("path", GETS)
def test_no_query_makes_the_service_fail(
    path: str, queries: list[dict[str, str]], key: str
) -> None:
    async def story() -> None:
        async with a_service() as service:
            for query in queries:
                response = await service.client.get(
                    fill(path, key), params=query, headers=service.headers()
                )
                assert response.status in {200, 400, 404, 422, 503}, (path, query)

    asyncio.run(story())
