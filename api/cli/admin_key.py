"""Whether the kept admin key still lets somebody in. `up` asks too, so little is imported."""

import http.client
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

ASK_SECONDS = 5.0
TURNED_AWAY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def is_turned_away(address: str, key: str) -> bool:
    """By the service itself. Raises OSError or HTTPException where it does not answer."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/v1/keys", headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status in TURNED_AWAY
    finally:
        connection.close()


def advice(file: Path) -> str:
    return (
        f"Where no other admin key is left: mv {file} {file}.old, and start the service anew:"
        " a new one is made."
    )
