"""Every kind of bad input has its own problem; nothing of it changes anything."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from api.http.errors import TABLE
from api.settings import ServerSettings, Settings, StorageSettings
from domain.errors import StoreOverloaded, StoreUnavailable
from tests.integration.http.support import Service, problem, run

CONTAINER = {"name": "web", "image": "web:1"}
SPEC = "/v1/containers"


@pytest.mark.parametrize(
    ("body", "status", "name", "path"),
    [
        (b"{", 400, "malformed-json", ""),
        (b"\xff", 400, "malformed-json", ""),
        (b'"\\ud800"', 400, "malformed-json", ""),
        (b"[" * 100_000, 400, "malformed-json", ""),
        ([], 400, "wrong-type", "$"),
        ({}, 400, "missing-field", "$"),
        ({"spec": CONTAINER, "strat": True}, 400, "unknown-field", "$"),
        ({"spec": {**CONTAINER, "privileged": True}}, 400, "unknown-field", "$.spec"),
        ({"spec": {**CONTAINER, "name": "No Name"}}, 400, "illegal-name", "$.spec.name"),
        ({"spec": {**CONTAINER, "name": "web\n"}}, 400, "illegal-name", "$.spec.name"),
        ({"spec": {**CONTAINER, "image": "?"}}, 400, "illegal-value", "$.spec.image"),
        ({"spec": {**CONTAINER, "image": "a/../../info"}}, 400, "illegal-value", "$.spec.image"),
        ({"spec": {**CONTAINER, "command": "ls"}}, 400, "wrong-type", "$.spec.command"),
        (
            {"spec": {**CONTAINER, "limits": {"pids": 0}}},
            400,
            "illegal-value",
            "$.spec.limits.pids",
        ),
        ({"spec": {**CONTAINER, "network": "host"}}, 400, "illegal-value", "$.spec.network"),
        ({"spec": {**CONTAINER, "user": "a\x00"}}, 400, "illegal-value", ""),
        ({"spec": CONTAINER, "secrets": {"A": 1}}, 400, "wrong-type", "$.secrets[...]"),
        ({"spec": {**CONTAINER, "image": "missing:1"}}, 422, "unknown-image", "$.spec.image"),
        (
            {"spec": {**CONTAINER, "environment": {"A": "1"}}, "secrets": {"A": "2"}},
            422,
            "ambiguous-variable",
            "$.secrets",
        ),
        (
            {
                "spec": {
                    **CONTAINER,
                    "secrets": [{"name": "A", "reference": "of-another", "hmac": ""}],
                }
            },
            400,
            "illegal-value",
            "$.spec.secrets",
        ),
    ],
)
def test_a_bad_container_request(body: Any, status: int, name: str, path: str) -> None:
    async def story(service: Service) -> None:
        before = service.store.position
        response = await service.call("POST", SPEC, body)
        assert await problem(response) == (status, name)
        assert (await response.json()).get("path", "") == path
        assert service.store.position == before

    run(story)


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("GET", "/v2", 404, "unknown-route"),
        ("PUT", "/v1/builds", 405, "method-not-allowed"),
        ("GET", "/v1/builds/none", 404, "unknown-id"),
        ("GET", "/v1/builds/%00", 404, "unknown-id"),
        ("GET", "/v1/builds/none/history", 404, "unknown-id"),
        ("GET", "/v1/builds/none/history?after_version=7", 404, "unknown-id"),
        ("GET", "/v1/builds/none/replay", 404, "unknown-id"),
        ("GET", "/v1/builds/none/log", 404, "unknown-id"),
        ("GET", "/v1/builds/none/artifacts", 404, "unknown-id"),
        ("GET", "/v1/builds/none/artifacts/a.rpm", 404, "unknown-id"),
        ("POST", "/v1/builds/none/cancel", 404, "unknown-id"),
        ("GET", "/v1/containers/none", 404, "unknown-id"),
        ("GET", "/v1/containers/none/log", 404, "unknown-id"),
        ("POST", "/v1/containers/none/stop", 404, "unknown-id"),
        ("DELETE", "/v1/containers/none", 404, "unknown-id"),
        ("POST", "/v1/keys/none/revoke", 404, "unknown-id"),
        ("POST", "/v1/projections/none/rebuild", 404, "unknown-id"),
        ("GET", "/v1/blobs/none", 404, "unknown-id"),
        ("GET", f"/v1/blobs/sha256:{'0' * 64}", 404, "unknown-id"),
        ("GET", "/v1/builds?limit=0", 400, "illegal-value"),
        ("GET", "/v1/builds?limit=many", 400, "wrong-type"),
        ("GET", "/v1/builds?lmit=1", 400, "unknown-field"),
        ("GET", "/v1/builds?limit=1&limit=2", 400, "illegal-value"),
        ("GET", "/v1/builds?name=%00", 400, "illegal-name"),
        ("GET", "/v1/builds?phase=happy", 400, "illegal-value"),
        ("GET", "/v1/audit?since=yesterday", 400, "illegal-value"),
        ("GET", "/v1/builds/none?as_of=yesterday", 400, "illegal-value"),
        ("GET", "/v1/events?from=1000000", 422, "future-position"),
        ("GET", "/v1/builds?min_position=1000000", 503, "projection-behind"),
        ("GET", "/v1/builds/none?as_of=1000000", 422, "future-position"),
        ("GET", "/v1/builds/none?as_of=2999-01-01T00:00:00Z", 422, "future-position"),
    ],
)
def test_a_bad_address_or_query(method: str, path: str, status: int, name: str) -> None:
    async def story(service: Service) -> None:
        assert await problem(await service.call(method, path)) == (status, name)

    run(story)


@pytest.mark.parametrize(
    ("headers", "status", "name"),
    [
        ({"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        ({"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
        ({"Idempotency-Key": "short"}, 400, "illegal-header"),
        ({"If-Match": "7"}, 400, "illegal-header"),
    ],
)
def test_a_bad_header(headers: dict[str, str], status: int, name: str) -> None:
    async def story(service: Service) -> None:
        response = await service.call("POST", "/v1/containers/a/stop", {}, headers=headers)
        assert await problem(response) == (status, name)

    run(story)


def test_a_body_that_is_too_large() -> None:
    async def story(service: Service) -> None:
        large = b'"' + b"x" * 1_100_000 + b'"'
        assert await problem(await service.call("POST", SPEC, large)) == (413, "body-too-large")

    run(story)


def test_a_file_that_is_too_large_whether_it_says_so_or_not() -> None:
    async def story(service: Service) -> None:
        announced = await service.call("POST", "/v1/blobs", b"x" * 101)
        assert await problem(announced) == (413, "body-too-large")

        async def unannounced() -> Any:
            yield b"x" * 60
            yield b"x" * 60

        response = await service.client.post(
            "/v1/blobs", data=unannounced(), headers=service.headers()
        )
        assert await problem(response) == (413, "body-too-large")

    run(story, Settings(storage=StorageSettings(max_blob_bytes=100)))


def test_a_body_that_does_not_come() -> None:
    async def story(service: Service) -> None:
        never = asyncio.Event()

        async def stuck() -> Any:
            yield b"{"
            await never.wait()

        for path in ("/v1/blobs", SPEC):
            response = await service.client.post(
                path,
                data=stuck(),
                headers={**service.headers(), "Content-Type": "application/json"},
            )
            assert await problem(response) == (408, "body-timeout")

    run(story, Settings(server=ServerSettings(body_timeout_seconds=0.05)))


def test_a_method_that_an_address_does_not_know_is_answered_with_those_it_does() -> None:
    async def story(service: Service) -> None:
        response = await service.call("PUT", "/v1/builds")
        assert await problem(response) == (405, "method-not-allowed")
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        detail = (await response.json())["detail"]
        assert detail == "PUT is not known here. Known: GET, HEAD, POST."

    run(story)


def test_a_command_id_that_was_used_for_something_else() -> None:
    async def story(service: Service) -> None:
        await service.a_container("one", key="container-1")
        body = {"spec": {"name": "two", "image": "web:1"}}
        response = await service.call(
            "POST", SPEC, body, headers={"Idempotency-Key": "container-1"}
        )
        assert await problem(response) == (422, "command-id-reused")
        assert (await response.json())["detail"].startswith("This Idempotency-Key was used for")

    run(story)


@pytest.mark.parametrize(
    ("error", "name"),
    [(StoreUnavailable(), "store-unavailable"), (StoreOverloaded(), "store-overloaded")],
)
def test_without_its_store_the_service_says_when_to_come_back(error: Exception, name: str) -> None:
    async def story(service: Service) -> None:
        service.store.away = error
        response = await service.call("POST", "/v1/containers/a/stop", {})
        assert await problem(response) == (503, name)
        assert "Retry-After" in response.headers

    run(story)


def test_why_the_store_is_away_is_told_to_the_operator_alone() -> None:
    async def story(service: Service) -> None:
        service.store.away = StoreUnavailable("no answer from 10.1.1.1")
        with capture_logs() as lines:
            response = await service.call("POST", "/v1/containers/a/stop", {})
        assert "10.1.1.1" not in await response.text()
        told = [line["reason"] for line in lines if line["event"] == "log unavailable"]
        assert told == ["no answer from 10.1.1.1"]

    run(story)


def test_an_unforeseen_error_shows_nothing_of_the_inside() -> None:
    async def story(service: Service) -> None:
        async def broken(*_: Any, **__: Any) -> Any:
            raise RuntimeError("postgresql://user:password@host")

        service.parts.queries.list_builds = broken  # type: ignore[method-assign]
        response = await service.call(
            "GET", "/v1/builds", headers={"X-Correlation-Id": "correlation-1"}
        )
        assert await problem(response) == (500, "internal")
        text = await response.text()
        assert "password" not in text
        assert "correlation-1" in text
        assert response.headers["X-Correlation-Id"] == "correlation-1"

    run(story)


def test_an_unknown_base_image_is_refused() -> None:
    async def story(service: Service) -> None:
        spec = {"name": "a.spec", **await service.upload(b"Name: a")}
        body = {"name": "a", "source": {"type": "rpm", "spec": spec}, "base_image": "missing:1"}
        response = await service.call("POST", "/v1/builds", body)
        assert await problem(response) == (422, "unknown-image")

    run(story)


def test_damaged_content_breaks_the_download_off() -> None:
    async def story(service: Service) -> None:
        file = await service.upload(b"content")
        service.blobs.damage("default", file["digest"])
        response = await service.call("GET", f"/v1/blobs/{file['digest']}")
        with pytest.raises(Exception, match=r"(?i)payload|connection|closed"):
            await response.read()

    run(story)


def test_every_problem_has_a_name_of_its_own() -> None:
    assert all(name == kind.name and kind.title for name, kind in TABLE.items())
