"""Waits until the service says that it is ready, and says what it waits for when it is not."""

import asyncio
import http.client
from urllib.parse import urlsplit

import msgspec

from api.cli.data_directory import DataDirectory
from api.cli.steps import say
from api.readiness import ENGINE_PART

READY_SECONDS = 120.0
PATIENCE_SECONDS = 10.0
ASK_SECONDS = 5.0
PAUSE_SECONDS = 0.2
HTTP_OK = 200


class NotReady(Exception):
    """The service did not become ready in time; the text says what it waited for."""


class _Answer(msgspec.Struct):
    waits_for: dict[str, str] = {}


async def wait_until_ready(address: str, directory: DataDirectory) -> None:
    """Also returns where only a person can bring what it waits for, and by this service."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    told = ""
    while True:
        status, answer = await asyncio.to_thread(_ask, address)
        if status == HTTP_OK:
            return
        waits_for = _waits_for(answer)
        if waits_for.keys() == {ENGINE_PART}:
            say(f"    When last asked, {waits_for[ENGINE_PART]}")
            return
        missing = _in_words(waits_for) or answer
        waited = loop.time() - began
        if waited > READY_SECONDS:
            raise NotReady(
                f"The service is not ready after {waited:.0f} s: {missing}."
                f" Its logs are in {directory.path / 'logs'}."
            )
        if waited > PATIENCE_SECONDS and missing != told:
            told = missing
            say(f"    The service is starting; waiting for it: {missing} ...")
        await asyncio.sleep(PAUSE_SECONDS)


def _waits_for(answer: str) -> dict[str, str]:
    try:
        return msgspec.json.decode(answer, type=_Answer).waits_for
    except msgspec.MsgspecError:
        return {}


def _in_words(waits_for: dict[str, str]) -> str:
    parts = ", ".join(f"{part} ({why})" for part, why in waits_for.items())
    return f"it lacks {parts}" if parts else ""


def _ask(address: str) -> tuple[int, str]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, response.read(10_000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return 0, f"{address} does not answer yet"
    finally:
        connection.close()
