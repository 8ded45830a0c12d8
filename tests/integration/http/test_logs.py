"""Logs over HTTP: whole, from an offset, live, each stream apart, text and frames."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import ClientPayloadError, ClientResponse

from api.http import logs
from api.settings import AccessSettings, Settings
from domain.access.commands import RevokeKey
from domain.access.roles import Role
from domain.builds import commands as c
from domain.builds.events import Step, StepLog
from domain.containers import commands as cc
from domain.ports import LogChunk, LogStreamName
from domain.processes.naming import container_log, step_log
from tests.integration.http.support import Service, problem, run
from tests.integration.http.tailed_store import TENANT

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FRAMES = {"Accept": "application/x-ndjson"}
SOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


async def root_prepared(service: Service, build_id: str) -> None:
    await service.command(
        c.RecordBuildRootPrepared(
            build_id=build_id,
            attempt=1,
            step=Step.TOOLCHAIN,
            round=1,
            key="k",
            image="i",
            image_id="i",
            packages_digest="d",
            reused=True,
        )
    )


class Writer:
    """Writes one log as the worker does."""

    def __init__(self, service: Service, subject: str) -> None:
        self._service = service
        self.subject = subject
        self._chunks = 0
        self.size = 0

    async def write(self, data: bytes, stream: LogStreamName = "stdout") -> None:
        chunk = LogChunk(sequence=self._chunks, stream=stream, offset=self.size, data=data)
        await self._service.logs.append(TENANT, self.subject, (chunk,))
        self._chunks, self.size = self._chunks + 1, self.size + len(data)
        await self._service.wake_ups.notify(TENANT, self.subject)

    async def close(self) -> None:
        await self._service.logs.close(TENANT, self.subject)
        await self._service.wake_ups.notify(TENANT, self.subject)


async def begin_step(service: Service, build_id: str, step: Step) -> Writer:
    await service.command(
        c.RecordStepStarted(
            build_id=build_id,
            attempt=1,
            step=step,
            round=1,
            engine_name="em",
            image_id="i",
            started_at=NOW,
        )
    )
    return Writer(service, step_log(build_id, 1, step, 1))


async def finish_step(
    service: Service, build_id: str, step: Step, size: int, *, exit_code: int = 0
) -> None:
    await service.command(
        c.RecordStepFinished(
            build_id=build_id,
            attempt=1,
            step=step,
            round=1,
            exit_code=exit_code,
            out_of_memory=False,
            finished_at=NOW,
            log=StepLog(size=size),
        )
    )


async def two_steps(service: Service) -> str:
    """A build: its toolchain step wrote `one, two, `, its resolve step `three`, and failed."""
    build_id: str = (await service.a_build())["id"]
    toolchain = await begin_step(service, build_id, Step.TOOLCHAIN)
    await toolchain.write(b"one, ")
    await toolchain.write(b"two, ", "stderr")
    await toolchain.close()
    await finish_step(service, build_id, Step.TOOLCHAIN, toolchain.size)
    await root_prepared(service, build_id)
    resolve = await begin_step(service, build_id, Step.RESOLVE)
    await resolve.write(b"three")
    await resolve.close()
    await finish_step(service, build_id, Step.RESOLVE, resolve.size, exit_code=1)
    return build_id


async def text(service: Service, path: str) -> str:
    response = await service.call("GET", path)
    assert response.status == 200
    return await response.text()


async def frames(response: ClientResponse) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (await response.read()).splitlines()]


@pytest.mark.parametrize("follow", ["false", "true"])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "one, two, three"),
        ("&step=toolchain", "one, two, "),
        ("&step=rpmbuild", ""),
        ("&stream=stderr", "two, "),
        ("&offset=3", ", two, three"),
        ("&offset=7", "o, three"),
        ("&offset=12", "ree"),
        ("&offset=100", ""),
    ],
)
def test_a_finished_log_is_the_same_stored_or_followed(
    query: str, expected: str, follow: str
) -> None:
    async def story(service: Service) -> None:
        path = f"/v1/builds/{await two_steps(service)}/log?follow={follow}{query}"
        assert await text(service, path) == expected

    run(story)


def test_frames_say_which_step_and_where_to_resume() -> None:
    async def story(service: Service) -> None:
        path = f"/v1/builds/{await two_steps(service)}/log"
        response = await service.call("GET", path, headers={"Accept": "application/x-ndjson"})
        got = await frames(response)
        assert got[0] == {"offset": 0, "attempt": 1}
        assert [(f.get("step"), f.get("stream"), f["offset"]) for f in got[1:-1]] == [
            ("toolchain", "stdout", 5),
            ("toolchain", "stderr", 10),
            ("resolve", "stdout", 15),
        ]
        assert got[-1] == {"offset": 15, "attempt": 1, "end": True}
        assert response.headers["X-Log-Next-Offset"] == "15"
        assert await text(service, f"{path}?offset={got[2]['offset']}") == "three"

    run(story)


def test_frames_of_one_stream_also_tell_how_far_the_other_one_came() -> None:
    """Else whoever follows a stream that is silent would take the service for dead."""

    async def story(service: Service) -> None:
        path = f"/v1/builds/{await two_steps(service)}/log?stream=stderr"
        response = await service.call("GET", path, headers={"Accept": "application/x-ndjson"})
        got = await frames(response)
        assert [(f.get("text"), f["offset"]) for f in got] == [
            (None, 0),
            (None, 5),
            ("two, ", 10),
            (None, 15),
            (None, 15),
        ]

    run(story)


def test_a_character_cut_in_two_comes_whole() -> None:
    async def story(service: Service) -> None:
        build_id = (await service.a_build())["id"]
        writer = await begin_step(service, build_id, Step.TOOLCHAIN)
        encoded = "naïve".encode()
        await writer.write(encoded[:3])
        await writer.write(encoded[3:])
        response = await service.call("GET", f"/v1/builds/{build_id}/log", headers=FRAMES)
        assert "".join(f.get("text", "") for f in await frames(response)) == "naïve"

    run(story)


def test_a_live_log_is_followed_from_step_to_step_to_the_end() -> None:
    async def story(service: Service) -> None:
        build_id = (await service.a_build())["id"]
        response = await service.call("GET", f"/v1/builds/{build_id}/log?follow=true")
        toolchain = await begin_step(service, build_id, Step.TOOLCHAIN)
        for piece in (b"one ", b"two "):
            await toolchain.write(piece)
            assert await response.content.readexactly(4) == piece
        await finish_step(service, build_id, Step.TOOLCHAIN, toolchain.size)
        await root_prepared(service, build_id)
        resolve = await begin_step(service, build_id, Step.RESOLVE)
        await resolve.write(b"three")
        await resolve.close()
        await finish_step(service, build_id, Step.RESOLVE, resolve.size, exit_code=1)
        assert await response.content.read() == b"three"

    run(story)


def test_a_follower_is_cut_off_when_its_key_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "WAIT_SECONDS", 0.05)

    async def story(service: Service) -> None:
        build_id = (await service.a_build())["id"]
        path = f"/v1/builds/{build_id}/log?follow=true"
        response = await service.call("GET", path, role=Role.VIEWER)
        await service.command(RevokeKey(key_id="key-viewer"))
        with pytest.raises(Exception, match=r"(?i)payload|disconnected|closed"):
            await response.read()

    run(story)


def test_followers_and_sockets_of_a_key_are_limited_together() -> None:
    async def story(service: Service) -> None:
        path = f"/v1/builds/{(await service.a_build())['id']}/log?follow=true"
        follower = await service.call("GET", path)
        for upgrade in ({}, SOCKET):
            refused = await service.call("GET", "/v1/events" if upgrade else path, headers=upgrade)
            assert await problem(refused) == (429, "too-many-requests")
        async with await service.call("GET", path, role=Role.VIEWER) as other:
            assert other.status == 200
        follower.close()
        while (await service.call("GET", path)).status == 429:
            pass

    run(story, Settings(access=AccessSettings(streams_per_key=1)))


@pytest.mark.parametrize("query", ["", "?follow=true"])
def test_a_log_that_lost_its_content_is_broken_off(
    query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "WAIT_SECONDS", 0.05)

    async def story(service: Service) -> None:
        path = f"/v1/builds/{await two_steps(service)}/log{query}"
        service.logs.lose("default", step_log(path.split("/")[3], 1, Step.TOOLCHAIN, 1))
        response = await service.call("GET", path)
        with pytest.raises(ClientPayloadError):
            await response.read()

    run(story)


def test_a_service_that_stops_ends_its_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "WAIT_SECONDS", 0.05)

    async def story(service: Service) -> None:
        build_id = (await service.a_build())["id"]
        await service.call("GET", f"/v1/builds/{build_id}/log?follow=true")
        async with asyncio.timeout(3):
            await service.client.server.close()

    run(story)


def test_the_log_of_a_container_is_followed_until_it_ends() -> None:
    async def story(service: Service) -> None:
        accepted = await service.a_container()
        writer = Writer(service, container_log(accepted["id"], 1))
        path = f"/v1/containers/{accepted['id']}/log?follow=true&stream=stdout"
        response = await service.call("GET", path)
        await writer.write(b"noise", "stderr")
        await writer.write(b"hello")
        assert await response.content.readexactly(5) == b"hello"
        await writer.close()
        assert await response.content.read() == b""

    run(story)


async def started(service: Service, container_id: str, intent: int, at: datetime) -> None:
    await service.command(
        cc.RecordContainerStarted(container_id=container_id, intent=intent, started_at=at)
    )


async def end(service: Service, container_id: str, at: datetime) -> None:
    await service.command(
        cc.ObserveContainerExit(
            container_id=container_id, exit_code=0, out_of_memory=False, finished_at=at
        )
    )


def test_a_follower_gets_the_whole_of_the_last_run_of_a_container_that_may_run_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "WAIT_SECONDS", 0.01)

    async def story(service: Service) -> None:
        identifier = (await service.a_container())["id"]
        await service.command(
            cc.RecordContainerCreated(
                container_id=identifier, intent=1, engine_id="e", engine_name="em", image_id="i"
            )
        )
        writer = Writer(service, container_log(identifier, 1))
        for intent, moment in ((2, NOW), (6, NOW + HOUR)):
            if moment > NOW:
                await service.command(cc.StartContainer(container_id=identifier))
            await started(service, identifier, intent, moment)
            path = f"/v1/containers/{identifier}/log?follow=true&offset={writer.size}"
            response = await service.call("GET", path)
            await end(service, identifier, moment + MINUTE)
            await writer.write(b"late")
            assert await response.content.readexactly(4) == b"late"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(response.content.readany(), 0.1)
            await service.logs.mark_complete(TENANT, writer.subject, until=moment + MINUTE)
            assert await response.content.read() == b""

    run(story)
