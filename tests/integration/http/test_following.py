"""The command line follows logs and events over connections that break."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager

import msgspec
import pytest

from api.cli import events, patience
from api.cli.client import ApiClient
from api.cli.log_frames import read_frames
from api.cli.problems import NotAllowed, ServiceUnreachable
from api.cli.service_address import ServiceAddress
from domain.access.commands import RevokeKey
from domain.access.roles import Role
from domain.builds.commands import RecordBuildErrored, RetryBuild
from domain.builds.events import Step
from tests.integration.http.support import Service, run
from tests.integration.http.test_logs import begin_step, finish_step
from tests.support.engine_proxy import copy


class Link:
    """A port before the service's own, that can be cut and closed."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self, *, for_good: bool = False) -> None:
        if for_good and self._server is not None:
            self._server.close()
        for writer in self._open:
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, to_behind = await asyncio.open_connection("127.0.0.1", self._behind)
        self._open |= {writer, to_behind}
        await asyncio.gather(copy(reader, to_behind), copy(behind, writer))
        self._open -= {writer, to_behind}


Story = Callable[[Service, Link, ApiClient], Awaitable[None]]


def follow(story: Story) -> None:
    async def told(service: Service) -> None:
        async with a_link(service) as link:
            address = ServiceAddress(
                url=f"http://127.0.0.1:{link.port}", key=service.keys[Role.ADMIN]
            )
            async with ApiClient(address) as client:
                await story(service, link, client)

    run(told)


@asynccontextmanager
async def a_link(service: Service) -> AsyncGenerator[Link]:
    assert service.client.port is not None
    link = Link(service.client.port)
    await link.listen()
    try:
        yield link
    finally:
        link.cut(for_good=True)


def test_a_log_is_followed_through_breaks_and_no_line_is_lost_or_repeated(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def story(service: Service, link: Link, client: ApiClient) -> None:
        build_id = (await service.a_build())["id"]
        writer = await begin_step(service, build_id, Step.TOOLCHAIN)
        lines = [f"line {number}\n" for number in range(6)]
        text = ""
        path = f"/v1/builds/{build_id}/log"
        async with aclosing(read_frames(client, path, {"follow": "true"})) as frames:
            for line in lines:
                await writer.write(line.encode())
                while not text.endswith(line):
                    text += (await anext(frames)).text
                link.cut()
            await finish_step(service, build_id, Step.TOOLCHAIN, writer.size, exit_code=1)
            await writer.close()
            text += "".join([frame.text async for frame in frames])
        assert text == "".join(lines)

    follow(story)
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" (")[0] for line in said] == [
        "The connection broke",
        "Connected again.",
    ] * 6


async def begin_another_attempt(service: Service, build_id: str) -> None:
    """As the service does by itself."""
    errored = RecordBuildErrored(
        build_id=build_id, attempt=1, step=None, reason="The engine is away.", retryable=True
    )
    await service.command(errored)
    await service.command(RetryBuild(build_id=build_id, attempt=1))


@pytest.mark.parametrize(
    ("stream", "first", "rest"), [("stdout", "begin, ", "end"), ("stderr", "", "")]
)
def test_after_a_break_the_rest_of_the_same_attempt_is_shown(
    stream: str, first: str, rest: str
) -> None:
    async def story(service: Service, link: Link, client: ApiClient) -> None:
        build_id = (await service.a_build())["id"]
        writer = await begin_step(service, build_id, Step.TOOLCHAIN)
        await writer.write(b"begin, ")
        query = {"follow": "true", "stream": stream}
        async with aclosing(read_frames(client, f"/v1/builds/{build_id}/log", query)) as frames:
            text = (await anext(frames)).text
            while text != first:
                text += (await anext(frames)).text
            link.cut()
            await writer.write(b"end")
            await writer.close()
            await begin_another_attempt(service, build_id)
            others = [frame async for frame in frames]
        assert {frame.attempt for frame in others} == {1}
        assert "".join(frame.text for frame in others) == rest

    follow(story)


def test_a_log_line_of_a_whole_chunk_is_shown() -> None:
    async def story(service: Service, _: Link, client: ApiClient) -> None:
        build_id = (await service.a_build())["id"]
        writer = await begin_step(service, build_id, Step.TOOLCHAIN)
        chunk = b"\x01" * 1024 * 1024
        await writer.write(chunk)
        await writer.close()
        frames = read_frames(client, f"/v1/builds/{build_id}/log", {"follow": "false"})
        assert len("".join([frame.text async for frame in frames])) == len(chunk)

    follow(story)


def test_events_are_told_through_breaks_and_none_is_lost_or_repeated() -> None:
    async def story(service: Service, link: Link, client: ApiClient) -> None:
        start = service.store.position
        told = events.follow_events(client, {"types": "BuildSubmitted"}, start)
        positions: list[int] = []
        recorded: list[int] = []
        async with aclosing(told) as documents:
            for _ in range(3):
                recorded.append((await service.a_build())["position"])
                positions.append(msgspec.json.decode(await anext(documents))["position"])
                link.cut()
        assert positions == recorded

    follow(story)


def test_events_end_with_the_key_that_reads_them() -> None:
    async def story(service: Service, link: Link, client: ApiClient) -> None:
        del link
        told = events.follow_events(client, {"types": "BuildSubmitted"}, service.store.position)
        async with aclosing(told) as documents:
            await service.a_build()
            await anext(documents)
            await service.command(RevokeKey(key_id="key-admin"))
            with pytest.raises(NotAllowed, match="The key was revoked"):
                await anext(documents)

    follow(story)


async def drain(things: AsyncIterator[object]) -> None:
    async for _ in things:
        pass


@pytest.mark.parametrize("kind", ["log", "events"])
def test_a_service_that_stays_away_is_given_up_with_a_sentence(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(patience, "SECONDS", 1.0)

    async def story(service: Service, link: Link, client: ApiClient) -> None:
        build = await service.a_build()
        writer = await begin_step(service, build["id"], Step.TOOLCHAIN)
        await writer.write(b"line\n")
        path = f"/v1/builds/{build['id']}/log"
        followed = (
            read_frames(client, path, {"follow": "true"})
            if kind == "log"
            else events.follow_events(client, {}, 0)
        )
        async with aclosing(followed) as things:
            await anext(things)
            link.cut(for_good=True)
            with pytest.raises(ServiceUnreachable, match="does not answer") as given_up:
                await drain(things)
        assert given_up.value.exit_code == 69

    follow(story)
    assert capsys.readouterr().err.count("The connection broke") == 1
