"""Whatever is sent, also to what exists: never a 500, and never half a change."""

import asyncio
import hashlib
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from api.http.call import uuid_of_ours
from api.http.routes import ROUTES
from tests.integration.http.support import Service, a_service
from tests.integration.http.tailed_store import TENANT

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
SPEC = {"name": "web", "image": "web:1"}
LEGAL: tuple[dict[str, Any], ...] = (
    {},
    {"role": "viewer", "label": "Ada"},
    {"name": "other"},
    {"signal": "TERM"},
    {"grace_seconds": 1},
    {"memory_bytes": 64 * 1024 * 1024},
    {"reason": "why not"},
    {"spec": SPEC},
    {"spec": SPEC, "secrets": {"PASSWORD": "hidden"}},
)
"""Each is what some route wants."""

BODIES = (
    VALUES
    | st.fixed_dictionaries({"spec": SPECS, "secrets": VALUES})
    | st.fixed_dictionaries({"name": VALUES, "source": VALUES})
    | st.fixed_dictionaries({"spec": st.just(SPEC), "secrets": VALUES})
    | st.sampled_from(LEGAL)
)
PARAMETER = re.compile(r"{(\w+)}")
POSTS = [route.path for route in ROUTES if route.method == "POST"]
GETS = [route.path for route in ROUTES if route.method == "GET"]
EXISTING = "existing"
UNKNOWN = "of-a-newer-program"
IDENTIFIERS = st.sampled_from([EXISTING, UNKNOWN]) | st.sampled_from(
    ["some-id", "%00", "..%2f", "%ff", "a" * 300, "%F0%9F%92%A9"]
)
COMMAND_IDS = st.sampled_from(["fuzzed-command-1", "fuzzed-command-2", UNKNOWN]) | st.none()
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


async def aggregates(service: Service) -> dict[str, str]:
    """What exists, by the parameters of paths. Each met an event that only newer programs know.

    One of each kind has nothing but such an event, and one has the id that UNKNOWN as an
    Idempotency-Key leads to.
    """
    ids = {
        "container_id": (await service.a_container())["id"],
        "build_id": (await service.a_build())["id"],
        "key_id": (await service.post("/v1/keys", {"role": "viewer"}))["id"],
        "digest": (await service.upload(b"content"))["digest"],
        "name": "builds",
    }
    derived = uuid_of_ours(hashlib.sha256(f"{TENANT}\0{UNKNOWN}".encode()).hexdigest())
    for kind in ("container", "build", "key"):
        for identifier in (ids[f"{kind}_id"], UNKNOWN, derived):
            await service.store.record_unknown(f"{kind}-{identifier}")
    return ids


def fill(path: str, identifier: str, existing: dict[str, str]) -> str:
    """All parameters of the path, by what exists where that is asked for."""
    return PARAMETER.sub(
        lambda found: existing[found[1]] if identifier == EXISTING else identifier, path
    )


@REPEATED
@given(
    bodies=st.lists(BODIES | st.binary(max_size=40), min_size=5, max_size=10),
    key=IDENTIFIERS,
    command_id=COMMAND_IDS,
)
@example(bodies=[*LEGAL], key=EXISTING, command_id=UNKNOWN)
@example(bodies=[*LEGAL], key=UNKNOWN, command_id=None)
@example(bodies=[*LEGAL], key=EXISTING, command_id=None)
@pytest.mark.parametrize("path", POSTS)
def test_no_body_makes_the_service_fail(
    path: str, bodies: list[Any], key: str, command_id: str | None
) -> None:
    async def story() -> None:
        async with a_service() as service:
            filled = fill(path, key, await aggregates(service))
            headers = {} if command_id is None else {"Idempotency-Key": command_id}
            for body in bodies:
                before = service.store.position
                response = await service.call("POST", filled, body, headers=headers)
                assert response.status < 500, (path, body, await response.text())
                if response.status >= 400 and response.status != 409:
                    assert service.store.position == before

    asyncio.run(story())


@REPEATED
@given(queries=st.lists(QUERIES, min_size=5, max_size=10), key=IDENTIFIERS)
@example(queries=[{}, {"as_of": "4"}, {"limit": "1"}], key=EXISTING)
@example(queries=[{}, {"as_of": "9"}, {"limit": "1"}], key=UNKNOWN)
@pytest.mark.parametrize("path", GETS)
def test_no_query_makes_the_service_fail(
    path: str, queries: list[dict[str, str]], key: str
) -> None:
    async def story() -> None:
        async with a_service() as service:
            filled = fill(path, key, await aggregates(service))
            for query in queries:
                async with service.client.get(
                    filled, params=query, headers=service.headers()
                ) as response:
                    assert response.status in {200, 400, 404, 422, 503}, (path, query)
                    if "follow" not in query:
                        await response.read()

    asyncio.run(story())
