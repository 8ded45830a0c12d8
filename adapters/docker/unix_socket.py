"""The SDK's transport for a unix socket, made to keep its connections and to close them.

The SDK keeps a pool per URL, so it hardly ever uses a connection twice, and leaves the socket of a
failed connection open.
"""

import socket
from collections.abc import Mapping
from typing import cast

from docker.transport.unixconn import (
    UnixHTTPAdapter,
    UnixHTTPConnection,
    UnixHTTPConnectionPool,
)

CONNECT_SECONDS = 10
_ANY_URL = "http+docker://localhost"


class UnixSocketAdapter(UnixHTTPAdapter):
    def __init__(self, path: str, *, timeout_seconds: int, connections: int) -> None:
        super().__init__(f"http+unix://{path}", timeout_seconds, max_pool_size=connections)
        pools = cast("dict[str, UnixHTTPConnectionPool]", self.pools)
        pools[_ANY_URL] = _Pool(_ANY_URL, path, timeout_seconds, connections)

    def get_connection(
        self,
        url: str | bytes,  # noqa: ARG002 - the socket is the same whatever the URL says
        proxies: Mapping[str, str] | None = None,
    ) -> UnixHTTPConnectionPool:
        return super().get_connection(_ANY_URL, proxies)


class _Pool(UnixHTTPConnectionPool):
    # The SDK's stubs declare a connection that is narrower than urllib3's protocol.
    def _new_conn(self) -> UnixHTTPConnection:  # type: ignore[override]
        return _Connection(self.base_url, self.socket_path, CONNECT_SECONDS)


class _Connection(UnixHTTPConnection):
    def connect(self) -> None:
        connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connecting.settimeout(self.timeout)
        try:
            connecting.connect(self.unix_socket)
        except OSError:
            connecting.close()
            raise
        self.sock = connecting
