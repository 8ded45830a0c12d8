from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from api.http.app import create_app
from api.settings import Settings
from domain.builds.commands import CancelBuild
from tests.integration.http.support import Service, problem, run
from tests.support.container_engines import a_tar


def test_a_submitted_build_can_be_found() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_build()
        found = await service.get(
            f"/v1/builds/{accepted['id']}?min_position={accepted['position']}"
        )
        assert found["value"]["name"] == "hello"
        assert found["position"] >= accepted["position"]
        assert (found["projection"], found["version"]) == ("builds", 1)

    run(story)


async def _old_blobs(service: Service) -> list[str]:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    parts = service.blobs.list_old("default", an_hour_ago)
    return [digest async for part in parts for digest in part]


def test_content_that_somebody_asks_for_or_a_build_names_is_young_again() -> None:
    async def story(service: Service) -> None:
        spec = await service.upload(b"Name: hello")
        source = {"type": "rpm", "spec": {"name": "hello.spec", **spec}}
        service.blobs.age("default", spec["digest"], 2 * 86_400)
        assert await _old_blobs(service) == [spec["digest"]]
        await service.post("/v1/builds", {"name": "hello", "source": source})
        assert await _old_blobs(service) == []
        service.blobs.age("default", spec["digest"], 2 * 86_400)
        assert (await service.call("HEAD", f"/v1/blobs/{spec['digest']}")).status == 200
        assert await _old_blobs(service) == []

    run(story)


def test_a_build_whose_content_was_deleted_meanwhile_is_refused() -> None:
    async def story(service: Service) -> None:
        spec = await service.upload(b"Name: hello")
        now = datetime.now(UTC)
        await service.blobs.remove_old("default", [spec["digest"]], now + timedelta(hours=1))
        source = {"type": "rpm", "spec": {"name": "hello.spec", **spec}}
        response = await service.call("POST", "/v1/builds", {"name": "hello", "source": source})
        assert await problem(response) == (422, "missing-content")

    run(story)


def test_a_repeated_submission_is_the_same_build() -> None:
    async def story(service: Service) -> None:
        first = await service.a_build(key="submission-1")
        again = await service.a_build(key="submission-1")
        assert again == {**first, "replayed": True}
        assert len((await service.get("/v1/builds"))["items"]) == 1

    run(story)


def test_a_repeated_submission_is_the_same_build_though_the_default_base_image_has_changed() -> (
    None
):
    async def story(service: Service) -> None:
        first = await service.a_build(key="submission-1")
        settings = Settings.load({"EULERMAKER_BASE_IMAGE": "newer:1"})
        restarted = replace(service.parts, settings=settings, registry=CollectorRegistry())
        async with TestClient(TestServer(create_app(restarted))) as service.client:
            again = await service.a_build(key="submission-1")
            assert again == {**first, "replayed": True}
            other = (await service.a_build(key="submission-2"))["id"]
            assert (await service.get(f"/v1/builds/{other}"))["value"]["base_image"] == "newer:1"

    run(story)


def test_the_past_of_a_build_can_be_asked_for() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_build()
        path = f"/v1/builds/{accepted['id']}"
        await service.command(CancelBuild(build_id=accepted["id"]))
        before = await service.get(f"{path}?as_of={accepted['position']}")
        now = await service.get(f"{path}?as_of={service.store.position}")
        assert (before["state"]["phase"], now["state"]["phase"]) == ("submitted", "stopping")
        moment = before["recorded_at"]
        assert (await service.get(f"{path}?as_of={moment}"))["version"] >= 1
        too_early = await service.call("GET", f"{path}?as_of={accepted['position'] - 1}")
        assert await problem(too_early) == (404, "unknown-id")
        future = await service.call("GET", f"{path}?as_of={service.store.position + 1}")
        assert await problem(future) == (422, "future-position")

    run(story)


def test_history_shows_what_was_stored_and_replay_each_state() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_build()
        await service.post(f"/v1/builds/{accepted['id']}/cancel", {"reason": "mistake"})
        history = await service.get(f"/v1/builds/{accepted['id']}/history")
        replay = await service.get(f"/v1/builds/{accepted['id']}/replay")
        types = [item["type"] for item in history["items"]]
        assert types == ["BuildSubmitted", "BuildCancelRequested"]
        assert '"reason":"mistake"' in history["items"][1]["raw"]
        assert [step["state"]["phase"] for step in replay["items"]] == ["submitted", "stopping"]

    run(story)


def test_a_page_of_history_and_replay_goes_on_after_the_last_version() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_build()
        await service.post(f"/v1/builds/{accepted['id']}/cancel")
        for what in ("history", "replay"):
            path = f"/v1/builds/{accepted['id']}/{what}?limit=1"
            first = await service.get(path)
            second = await service.get(f"{path}&after_version={first['next']}")
            assert [first["items"][0]["version"], second["items"][0]["version"]] == [1, 2]

    run(story)


def test_a_stale_version_changes_nothing() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_build()
        path = f"/v1/builds/{accepted['id']}/cancel"
        stale = await service.call("POST", path, {}, headers={"If-Match": '"7"'})
        assert await problem(stale) == (412, "stale-version")
        fresh = await service.call("POST", path, {}, headers={"If-Match": '"1"'})
        assert (fresh.status, fresh.headers["ETag"]) == (202, '"2"')

    run(story)


def test_a_refused_command_names_rule_and_state() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_build()
        refused = await service.call("POST", f"/v1/builds/{accepted['id']}/retry", {})
        assert await problem(refused) == (409, "refused-state")
        body = await refused.json()
        assert body["rule"] == "retry-needs-an-ended-build-without-success"
        assert body["state"] == "submitted"

    run(story)


def test_an_rpm_build_starts_from_what_it_names_or_else_from_the_services_own() -> None:
    async def story(service: Service) -> None:
        accepted = [await service.a_build()]
        spec = {"name": "hello.spec", **await service.upload(b"Name: hello")}
        body = {"name": "b", "source": {"type": "rpm", "spec": spec}, "base_image": "web:1"}
        accepted.append(await service.post("/v1/builds", body))
        found = [await service.get(f"/v1/builds/{each['id']}") for each in accepted]
        own = service.parts.settings.builds.base_image
        assert [each["value"]["base_image"] for each in found] == [own, "web:1"]

    run(story)


async def _a_context() -> bytes:
    return b"".join([part async for part in a_tar({"Dockerfile": b"FROM scratch\n"})])


def test_an_image_build_starts_from_what_its_dockerfile_says() -> None:
    async def story(service: Service) -> None:
        archive = await service.upload(await _a_context())
        source = {"type": "image", "context": {"name": "context.tar", **archive}}
        accepted = await service.post("/v1/builds", {"name": "image", "source": source})
        found = await service.get(f"/v1/builds/{accepted['id']}")
        assert found["value"]["base_image"] == ""
        body = {"name": "image", "source": source, "base_image": "web:1"}
        response = await service.call("POST", "/v1/builds", body)
        assert await problem(response) == (400, "illegal-value")

    run(story)
