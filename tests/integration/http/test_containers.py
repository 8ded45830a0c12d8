import asyncio

import pytest

from domain.containers import events as c
from tests.integration.http.support import Service, problem, run
from tests.support.appends import an_append

SECRET = "correct horse battery staple"
WITH_SECRET = {"spec": {"name": "web", "image": "web:1"}, "secrets": {"PASSWORD": SECRET}}


def test_a_requested_container_can_be_found() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_container()
        path = f"/v1/containers/{accepted['id']}?min_position={accepted['position']}"
        found = await service.get(path)
        assert (found["value"]["name"], found["value"]["status"]) == ("web", "starting")
        assert found["value"]["version"] == accepted["version"] == 2

    run(story)


def test_a_secret_is_in_the_vault_and_nowhere_else(capsys: pytest.CaptureFixture[str]) -> None:
    async def story(service: Service) -> None:
        accepted = await service.post("/v1/containers", WITH_SECRET)
        path = f"/v1/containers/{accepted['id']}"
        found = await service.get(path)
        secret = found["value"]["spec"]["secrets"][0]
        assert await service.secrets.get("default", secret["reference"]) == SECRET
        history = await (await service.call("GET", f"{path}/history")).text()
        assert SECRET not in f"{found}{history}"
        wrong = {**WITH_SECRET, "spec": {}}
        assert SECRET not in await (await service.call("POST", "/v1/containers", wrong)).text()

    run(story)
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err


def test_a_repeated_request_with_a_secret_is_the_same_container() -> None:
    async def story(service: Service) -> None:
        first = await service.post("/v1/containers", WITH_SECRET, key="request-1")
        again = await service.post("/v1/containers", WITH_SECRET, key="request-1")
        assert again == {**first, "replayed": True}
        other = {**WITH_SECRET, "secrets": {"PASSWORD": "another"}}
        response = await service.call(
            "POST", "/v1/containers", other, headers={"Idempotency-Key": "request-1"}
        )
        assert await problem(response) == (422, "command-id-reused")

    run(story)


def test_a_repeated_request_with_a_secret_is_refused_as_it_was() -> None:
    async def story(service: Service) -> None:
        await service.a_container("web")
        headers = {"Idempotency-Key": "request-1"}
        for _ in range(2):
            response = await service.call("POST", "/v1/containers", WITH_SECRET, headers=headers)
            assert await problem(response) == (409, "refused-state")
            assert (await response.json())["rule"] == "name-taken"

    run(story)


def test_the_same_request_with_a_secret_twice_at_once_is_one_container() -> None:
    async def story(service: Service) -> None:
        service.store.turns = 1_000
        calls = [service.post("/v1/containers", WITH_SECRET, key="request-1") for _ in range(2)]
        first, second = await asyncio.gather(*calls)
        assert (first["id"], first["version"]) == (second["id"], second["version"])
        assert {first["replayed"], second["replayed"]} == {True, False}

    run(story)


def test_a_repeated_request_is_answered_though_its_image_is_gone_by_now() -> None:
    async def story(service: Service) -> None:
        first = await service.a_container(key="request-1")
        service.images.missing.add("web:1")
        assert await service.a_container(key="request-1") == {**first, "replayed": True}
        body = {"spec": {"name": "web", "image": "web:1"}}
        response = await service.call("POST", "/v1/containers", body)
        assert await problem(response) == (422, "unknown-image")

    run(story)


@pytest.mark.parametrize(
    ("path", "body", "event"),
    [
        ("stop", {"grace_seconds": 1}, "ContainerStopRequested"),
        ("kill", {"signal": "TERM"}, "ContainerKillRequested"),
        ("rename", {"name": "other"}, "ContainerRenamed"),
    ],
)
def test_an_operation_is_recorded(path: str, body: object, event: str) -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_container()
        response = await service.call("POST", f"/v1/containers/{accepted['id']}/{path}", body)
        assert response.status == 202
        assert response.headers["Location"] == f"/v1/containers/{accepted['id']}"
        history = await service.get(f"/v1/containers/{accepted['id']}/history")
        assert history["items"][-1]["type"] == event

    run(story)


def test_a_name_in_use_is_given_to_no_other_container() -> None:
    async def story(service: Service) -> None:
        first = await service.a_container("web", key="request-1")
        other = await service.a_container("db")
        wanted = {"spec": {"name": "web", "image": "web:1"}}
        for path, body in (
            ("/v1/containers", wanted),
            (f"/v1/containers/{other['id']}/rename", {"name": "web"}),
        ):
            response = await service.call("POST", path, body)
            assert await problem(response) == (409, "refused-state")
            told = await response.json()
            assert told["rule"] == "name-taken"
            assert first["id"] in told["detail"]
        assert (await service.a_container("web", key="request-1"))["replayed"]
        audited = (await service.get("/v1/audit?outcome=refused"))["items"]
        assert {row["command"] for row in audited} == {"RequestContainer", "RenameContainer"}

    run(story)


def test_a_name_is_free_again_once_its_container_has_another_or_is_removed() -> None:
    async def story(service: Service) -> None:
        first = (await service.a_container("web"))["id"]
        await service.post(f"/v1/containers/{first}/rename", {"name": "old"})
        second = await service.a_container("web")
        removed = c.ContainerRemoved(container_id=second["id"], intent=second["version"])
        await service.store.append(an_append(f"container-{second['id']}", removed))
        await service.a_container("web")

    run(story)


def test_of_requests_of_one_name_at_once_one_gets_it() -> None:
    async def story(service: Service) -> None:
        service.store.turns = 1_000
        wanted = {"spec": {"name": "web", "image": "web:1"}}
        calls = [service.call("POST", "/v1/containers", wanted) for _ in range(3)]
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status for answer in answers) == [202, 409, 409]

    run(story)


def test_removal_of_a_running_container_needs_force() -> None:
    async def story(service: Service) -> None:
        path = f"/v1/containers/{(await service.a_container())['id']}"
        assert await problem(await service.call("DELETE", path)) == (409, "refused-state")
        assert (await service.call("DELETE", f"{path}?force=true")).status == 202

    run(story)


def test_replay_of_a_container_shows_each_state() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_container()
        replay = await service.get(f"/v1/containers/{accepted['id']}/replay")
        assert [s["state"]["status"] for s in replay["items"]] == ["requested", "starting"]

    run(story)
