"""A service with its real logging gets requests that carry secrets; its log is standard error."""

import logging
import sys

from api.logging import configure_logging
from api.settings import LoggingSettings
from domain.access.roles import Role
from tests.integration.http.support import Service, run

PASSWORD = "correct-horse"
FORMATS = ("json", "console")


async def story(service: Service) -> None:
    token = service.keys[Role.VIEWER]
    wrong = "em_key-admin_" + token.rpartition("_")[2]
    await service.call("POST", f"/v1/keys/{token}/revoke", {}, role=Role.VIEWER)
    await service.client.get("/v1/builds", headers={"Authorization": f"Bearer {wrong}"})
    await service.client.get(f"/v1/events?ticket={token}", headers={"Upgrade": "websocket"})
    await service.client.get(f"/{token}")
    logging.getLogger("aiohttp.server").error("bad header: Authorization: Bearer %s", token)
    events = await service.store.read_log(0)
    service.store.away = ValueError(f"cannot reach postgresql://em:{PASSWORD}@db/em")
    await service.call("GET", "/v1/checkpoint")
    secret = token.rpartition("_")[2].encode()
    assert not [each for each in events if secret in each.data]
    print(token.rpartition("_")[2])  # noqa: T201 - for whoever searches the log for it


if __name__ == "__main__":
    chosen = sys.argv[1]
    configure_logging(LoggingSettings(format="console" if chosen == "console" else "json"))
    run(story)
