"""Downloads that last: they end with the key, and with the patience of the service."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientPayloadError

from api.http import auth, streaming
from api.settings import AccessSettings, Settings
from domain.access.commands import RevokeKey
from domain.access.roles import Role
from domain.errors import StoreUnavailable
from tests.integration.http.support import Service, run

MORE_THAN_BUFFERS_HOLD = 64 * 1024 * 1024


async def kept(service: Service) -> str:
    """The path of a file that nobody gets without reading."""
    stat = await service.blobs.put("default", zeros(), limit_bytes=MORE_THAN_BUFFERS_HOLD)
    return f"/v1/blobs/{stat.digest}"


async def zeros() -> AsyncIterator[bytes]:
    yield bytes(MORE_THAN_BUFFERS_HOLD)


def test_a_download_ends_when_its_key_is_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "RECHECKED_SECONDS", 0.0)

    async def story(service: Service) -> None:
        response = await service.call("GET", await kept(service), role=Role.VIEWER)
        await response.content.readany()
        await service.command(RevokeKey(key_id="key-viewer"))
        with pytest.raises(ClientPayloadError):
            await response.read()

    run(story)


def test_a_client_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SEND_SECONDS", 0.1)

    async def story(service: Service) -> None:
        path = await kept(service)
        response = await service.call("GET", path)
        while (await service.call("HEAD", path)).status == 429:
            pass
        with pytest.raises(ClientPayloadError):
            await response.read()

    access = AccessSettings(streams_per_key=1, requests_per_second_and_key=1_000_000)
    run(story, Settings(access=access))


def test_a_download_goes_on_while_the_log_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "RECHECKED_SECONDS", 0.0)

    async def story(service: Service) -> None:
        response = await service.call("GET", await kept(service))
        service.store.away = StoreUnavailable()
        assert len(await response.read()) == MORE_THAN_BUFFERS_HOLD

    run(story)
