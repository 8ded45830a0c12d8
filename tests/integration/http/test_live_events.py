"""The WebSocket: resumes, filters, never waits for a slow client, ends with its key."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from api.http import broadcast
from api.http.app_keys import BROADCAST
from api.settings import AccessSettings, ServerSettings, Settings
from domain.access.commands import RecordAuthenticationFailure, RevokeKey
from domain.access.roles import Role
from tests.integration.http.support import Service, run


def _not_noticed(*_: object) -> None:
    """As if the event had been lost."""


async def events(socket: ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    return [(await socket.receive_json())["event"] for _ in range(count)]


def test_what_happens_is_sent_as_it_happens() -> None:
    async def story(service: Service) -> None:
        async with service.client.ws_connect("/v1/events", headers=service.headers()) as socket:
            accepted = await service.a_build()
            event = (await events(socket, 1))[0]
            assert (event["type"], event["position"]) == ("BuildSubmitted", accepted["position"])
            assert event["data"]["build_id"] == accepted["id"]

    run(story)


def test_a_client_resumes_after_the_position_it_knows() -> None:
    async def story(service: Service) -> None:
        begin = service.store.position
        for _ in range(5):
            await service.a_build()
        path = f"/v1/events?from={begin + 2}"
        async with service.client.ws_connect(path, headers=service.headers()) as socket:
            await service.a_build()
            got = [event["position"] for event in await events(socket, 4)]
            assert got == list(range(begin + 3, begin + 7))

    run(story)


def test_filters_are_applied_here() -> None:
    async def story(service: Service) -> None:
        build = await service.a_build()
        path = f"/v1/events?from=0&types=BuildCancelRequested,KeyCreated&stream={build['stream']}"
        async with service.client.ws_connect(path, headers=service.headers()) as socket:
            await service.a_build()
            await service.post(f"/v1/builds/{build['id']}/cancel")
            event = (await events(socket, 1))[0]
            assert (event["stream"], event["type"]) == (build["stream"], "BuildCancelRequested")

    run(story)


@pytest.mark.parametrize("role", [Role.BUILDER, Role.OPERATOR])
def test_what_happened_at_the_door_is_for_those_only_who_may_read_the_audit_log(
    role: Role,
) -> None:
    async def story(service: Service) -> None:
        headers = service.headers(role)
        async with (
            service.client.ws_connect("/v1/events?from=0", headers=headers) as past,
            service.client.ws_connect("/v1/events", headers=headers) as live,
        ):
            await service.command(_denial(0))
            build = await service.a_build()
            for socket in (past, live):
                assert (await events(socket, 1))[0]["position"] == build["position"]
        page = await service.get("/v1/events?from=0", role=role)
        assert [event["position"] for event in page["items"]] == [build["position"]]
        assert page["position"] == service.store.position
        hidden = "/v1/events?from=0&types=KeyCreated,AuthenticationFailed"
        assert (await service.get(hidden, role=role))["items"] == []
        seen = (await service.get(hidden, role=Role.AUDITOR))["items"]
        assert {event["type"] for event in seen} == {"KeyCreated", "AuthenticationFailed"}

    run(story)


def test_a_slow_client_catches_up_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MAX_UNSENT_BYTES", 1_000)

    async def story(service: Service) -> None:
        headers = service.headers()
        begin, count = service.store.position, 1_000
        async with (
            service.client.ws_connect("/v1/events", headers=headers, max_msg_size=0) as slow,
            service.client.ws_connect("/v1/events", headers=headers) as quick,
        ):
            reading = asyncio.create_task(events(quick, count))
            for number in range(count):
                await service.command(_denial(number))
            positions = [event["position"] for event in await reading]
            assert positions == list(range(begin + 1, begin + count + 1))
            assert service.client.app[BROADCAST].catching_up == 1
            late = [event["position"] for event in await events(slow, count)]
            assert late == positions

    run(story)


def _denial(number: int) -> RecordAuthenticationFailure:
    return RecordAuthenticationFailure(
        attempt_id=f"attempt-{number}",
        key_id="",
        reason="missing",
        method="GET",
        path="/" + "x" * 30_000,
    )


def test_revocation_closes_the_sockets_of_the_key_and_no_others() -> None:
    async def story(service: Service) -> None:
        async with (
            service.client.ws_connect("/v1/events", headers=service.headers()) as ours,
            service.client.ws_connect("/v1/events", headers=service.headers(Role.AUDITOR)) as other,
        ):
            await service.command(RevokeKey(key_id="key-auditor"))
            async with asyncio.timeout(1):
                while (await other.receive()).type is not WSMsgType.CLOSE:
                    pass
            assert other.close_code == 4401
            assert (await events(ours, 1))[0]["type"] == "KeyRevoked"

    run(story)


def test_an_open_socket_checks_its_key_even_if_it_missed_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(broadcast.Broadcast, "_heed_revocations", _not_noticed)
    monkeypatch.setattr("api.http.auth.RECHECKED_SECONDS", 0.0)

    async def story(service: Service) -> None:
        headers = service.headers(Role.AUDITOR)
        async with service.client.ws_connect("/v1/events", headers=headers) as socket:
            await service.command(RevokeKey(key_id="key-auditor"))
            while (await socket.receive()).type is not WSMsgType.CLOSE:
                pass
            assert socket.close_code == 4401

    run(story)


def test_an_idle_client_is_told_where_the_log_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT_SECONDS", 0.05)

    async def story(service: Service) -> None:
        path = "/v1/events?types=LogRestored"
        async with service.client.ws_connect(path, headers=service.headers()) as socket:
            accepted = await service.a_build()
            while (await socket.receive_json())["position"] != accepted["position"]:
                pass

    run(story)


def test_a_ticket_opens_one_socket_once() -> None:
    async def story(service: Service) -> None:
        ticket = (await service.post("/v1/tickets"))["ticket"]
        path = f"/v1/events?ticket={ticket}"
        async with service.client.ws_connect(path) as socket:
            await service.a_build()
            assert (await events(socket, 1))[0]["type"] == "BuildSubmitted"
        with pytest.raises(WSServerHandshakeError, match="401"):
            await service.client.ws_connect(path)
        said = (await (await service.client.get(path)).json())["detail"]
        assert said == (
            "A ticket opens one connection, within 30 s. Get another one: POST /v1/tickets."
        )
        assert (await service.client.get(f"/v1/builds?ticket={ticket}")).status == 401

    run(story)


def test_only_listed_origins_may_connect() -> None:
    async def story(service: Service) -> None:
        headers = {**service.headers(), "Origin": "https://foreign.example"}
        with pytest.raises(WSServerHandshakeError, match="403"):
            await service.client.ws_connect("/v1/events", headers=headers)
        headers["Origin"] = "https://ours.example"
        async with service.client.ws_connect("/v1/events", headers=headers) as socket:
            assert not socket.closed

    run(story, Settings(server=ServerSettings(allowed_origins=("https://ours.example",))))


def test_a_message_over_the_limit_closes_the_socket() -> None:
    async def story(service: Service) -> None:
        async with service.client.ws_connect("/v1/events", headers=service.headers()) as socket:
            await socket.send_str("x" * 65_537)
            assert (await socket.receive()).type is WSMsgType.CLOSE
            assert socket.close_code == 1009

    run(story)


def test_sockets_per_key_are_limited() -> None:
    async def story(service: Service) -> None:
        headers = service.headers()
        async with service.client.ws_connect("/v1/events", headers=headers):
            with pytest.raises(WSServerHandshakeError, match="429"):
                await service.client.ws_connect("/v1/events", headers=headers)

    run(story, Settings(access=AccessSettings(streams_per_key=1)))


def test_a_service_that_stops_says_so() -> None:
    async def story(service: Service) -> None:
        async with service.client.ws_connect("/v1/events", headers=service.headers()) as socket:
            closing = asyncio.create_task(service.client.server.close())
            assert (await socket.receive()).type is WSMsgType.CLOSE
            assert socket.close_code == 1001
            await closing

    run(story)


def test_pages_of_events_go_on_where_the_last_one_ended() -> None:
    async def story(service: Service) -> None:
        for _ in range(3):
            await service.a_build()
        seen: list[int] = []
        start: int | None = 0
        while start is not None:
            page = await service.get(f"/v1/events?from={start}&types=BuildSubmitted&limit=2")
            seen += [event["position"] for event in page["items"]]
            start = page["next"]
        assert len(seen) == len(set(seen)) == 3
        assert (await service.get("/v1/checkpoint"))["position"] == service.store.position

    run(story)
