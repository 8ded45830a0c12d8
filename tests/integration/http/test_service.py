"""What holds for the service as a whole: health, metrics, headers, its description."""

import pytest
import structlog
from multidict import CIMultiDict
from structlog.testing import capture_logs

from api.http.routes import ROUTES
from api.settings import AccessSettings, ServerSettings, Settings
from tests.integration.http.support import Service, problem, run

ORIGIN = "https://ours.example"
CORS = Settings(server=ServerSettings(cors_origins=(ORIGIN,)))


async def ready() -> str | None:
    return None


async def missing() -> str | None:
    return "no server answers"


async def broken() -> str | None:
    raise OSError("password=secret")


def test_a_service_that_is_not_ready_says_what_it_waits_for() -> None:
    async def story(service: Service) -> None:
        assert (await service.client.get("/healthz")).status == 200
        response = await service.client.get("/readyz")
        assert await problem(response) == (503, "not-ready")
        waits_for = (await response.json())["waits_for"]
        assert waits_for == {"database": "no server answers", "engine": "OSError"}

    run(story, readiness={"blobs": ready, "database": missing, "engine": broken})


def test_a_service_whose_parts_are_ready_is_ready() -> None:
    async def story(service: Service) -> None:
        assert (await service.client.get("/readyz")).status == 200

    run(story, readiness={"blobs": ready})


def test_requests_are_measured_by_route_and_never_by_id() -> None:
    async def story(service: Service) -> None:
        await service.call("GET", "/v1/builds/some-id")
        await service.client.get("/nothing/here")
        text = await (await service.call("GET", "/metrics")).text()
        assert 'route="/v1/builds/{build_id}",status="404"' in text
        assert "some-id" not in text
        assert "nothing" not in text

    run(story)


def test_each_request_has_one_line_in_the_log_without_its_secrets() -> None:
    async def story(service: Service) -> None:
        structlog.reset_defaults()
        with capture_logs() as lines:
            ticket = (await service.post("/v1/tickets"))["ticket"]
            await service.client.get(f"/v1/events?ticket={ticket}")
        assert [line["path"] for line in lines] == ["/v1/tickets", "/v1/events"]
        token = service.headers()["Authorization"].rpartition("_")[2]
        assert ticket not in str(lines)
        assert token not in str(lines)

    run(story)


@pytest.mark.parametrize(
    ("header", "value", "kept"),
    [
        ("X-Correlation-Id", "from-a-client", "from-a-client"),
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01", "a" * 32),
    ],
)
def test_a_correlation_id_goes_from_the_request_into_the_event(
    header: str, value: str, kept: str
) -> None:
    async def story(service: Service) -> None:
        body = {"spec": {"name": "web", "image": "web:1"}}
        headers = {**service.headers(), header: value}
        response = await service.client.post("/v1/containers", json=body, headers=headers)
        assert response.headers["X-Correlation-Id"] == kept
        assert (await service.store.read_log(0))[-1].correlation_id == kept

    run(story)


def test_a_correlation_id_of_an_illegal_form_is_replaced() -> None:
    async def story(service: Service) -> None:
        response = await service.call("GET", "/v1/builds", headers={"X-Correlation-Id": "a b"})
        assert len(response.headers["X-Correlation-Id"]) == 36

    run(story)


def test_every_answer_forbids_caching_sniffing_and_framing() -> None:
    async def story(service: Service) -> None:
        for path in ("/healthz", "/v1/builds", "/nowhere"):
            headers = (await service.call("GET", path)).headers
            assert headers["Cache-Control"] == "no-store"
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["X-Frame-Options"] == "DENY"
            assert "Access-Control-Allow-Origin" not in headers

    run(story)


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, True), ("https://foreign", False)])
def test_browsers_from_listed_origins_only_may_call(origin: str, allowed: bool) -> None:  # noqa: FBT001
    async def story(service: Service) -> None:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = await service.client.options("/v1/builds", headers=headers)
        assert preflight.status == 204
        assert preflight.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
        assert ("Access-Control-Allow-Methods" in preflight.headers) == allowed
        answer = await service.client.get("/healthz", headers=headers)
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed

    run(story, CORS)


def test_head_answers_like_get_without_a_body() -> None:
    async def story(service: Service) -> None:
        file = await service.upload(b"content")
        response = await service.call("HEAD", f"/v1/blobs/{file['digest']}")
        assert (response.status, response.headers["Content-Length"]) == (200, "7")
        assert await response.read() == b""

    run(story)


def test_an_address_behind_a_trusted_proxy_is_the_clients() -> None:
    settings = Settings(
        server=ServerSettings(trusted_proxies=("127.0.0.1", "10.0.0.1")),
        access=AccessSettings(requests_per_second_and_address=100),
    )

    async def story(service: Service) -> None:
        for forwarded in (["6.6.6.6, 192.0.2.7, 10.0.0.1"], ["6.6.6.6", "192.0.2.7, 10.0.0.1"]):
            headers = CIMultiDict([("X-Forwarded-For", line) for line in forwarded])
            await service.client.get("/v1/builds", headers=headers)
            assert (await service.store.read_log(0))[-1].source_address == "192.0.2.7"

    run(story, settings)


def test_the_document_describes_every_route() -> None:
    async def story(service: Service) -> None:
        document = await (await service.client.get("/v1/openapi.json")).json()
        assert document["openapi"] == "3.1.0"
        described = {
            (method.upper(), path)
            for path, operations in document["paths"].items()
            for method in operations
        }
        assert described == {(route.method, route.path) for route in ROUTES}
        operation = document["paths"]["/v1/builds/{build_id}"]["get"]
        assert [p["name"] for p in operation["parameters"]] == ["build_id", "as_of", "min_position"]
        names = [o["operationId"] for ops in document["paths"].values() for o in ops.values()]
        assert len(names) == len(set(names))

    run(story)
