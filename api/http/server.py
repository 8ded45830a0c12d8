"""The HTTP server: listens, says where, and stops without cutting requests short."""

from aiohttp import web

from api.http.app import create_app
from api.http.parts import HttpParts

KEEP_ALIVE_SECONDS = 75.0


class HttpServer:
    def __init__(self, parts: HttpParts) -> None:
        self._parts = parts
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listening when it returns; `url` says where."""
        settings = self._parts.settings.server
        self._runner = web.AppRunner(
            create_app(self._parts),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            shutdown_timeout=settings.shutdown_seconds,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def stop(self) -> None:
        """Safe twice, safe before start."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
