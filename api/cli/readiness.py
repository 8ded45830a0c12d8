"""Waits until the service says that it is ready, and says what it waits for when it is not."""

import asyncio
import http.client
from urllib.parse import urlsplit

from api.cli.data_directory import DataDirectory
from api.cli.steps import say

READY_SECONDS = 120.0
PATIENCE_SECONDS = 10.0
ASK_SECONDS = 5.0
PAUSE_SECONDS = 0.2
HTTP_OK = 200


class NotReady(Exception):
    """The service did not become ready in time; the text says what it waited for."""


async def wait_until_ready(address: str, directory: DataDirectory) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    told = ""
    while True:
        status, answer = await asyncio.to_thread(_ask, address)
        if status == HTTP_OK:
            return
        waited = loop.time() - began
        if waited > READY_SECONDS:
            raise NotReady(
                f"The service is not ready after {waited:.0f} s. It says: {answer}"
                f" Its logs are in {directory.path / 'logs'}."
            )
        if waited > PATIENCE_SECONDS and answer != told:
            told = answer
            say(f"    waiting: {answer}")
        await asyncio.sleep(PAUSE_SECONDS)


def _ask(address: str) -> tuple[int, str]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, response.read(10_000).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return 0, f"nothing answers on {address} yet ({error})."
    finally:
        connection.close()
