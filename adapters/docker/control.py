"""Short calls to the engine through the docker SDK's session, in threads of their own.

Each call is bounded twice: the socket's timeout ends the thread, the event loop's the wait. A call
that waited too long for a thread is never sent at all.
"""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec
import requests
from docker import APIClient
from docker.errors import DockerException
from docker.tls import TLSConfig
from docker.transport.unixconn import UnixHTTPAdapter, UnixHTTPConnectionPool

from adapters.docker.address import Endpoint
from adapters.docker.errors import Reply, broken
from domain.errors import EngineError, EngineOutcomeUnknown, EngineUnavailable

THREADS = 16
CONNECT_SECONDS = 10
CALL_SECONDS = 60
_GRACE_SECONDS = 2

Query = Mapping[str, str]


class ControlClient:
    def __init__(self, endpoint: Endpoint, *, threads: int = THREADS) -> None:
        self._endpoint = endpoint
        self._pool_size = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._client: APIClient | None = None
        self._negotiating = threading.Lock()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        timeout_seconds: float = CALL_SECONDS,
    ) -> Reply:
        call = _Call(method, path, query or {}, body, timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds + _GRACE_SECONDS):
                return await self._in_thread(call)
        except TimeoutError as error:
            raise _too_late(call) from error
        finally:
            call.abandon()

    async def api_version(self) -> str:
        """As negotiated with the engine that is there now."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CALL_SECONDS + _GRACE_SECONDS):
            client = await loop.run_in_executor(self._threads, self._negotiated)
        return client.api_version

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._forget()

    async def _in_thread(self, call: "_Call") -> Reply:
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._perform, call
            )
        except EngineUnavailable:
            self._forget()
            raise

    def _perform(self, call: "_Call") -> Reply:
        client = self._negotiated()
        if not call.begin():
            raise EngineUnavailable("The caller gave up before the call was made")
        return call.send(client)

    def _negotiated(self) -> APIClient:
        with self._negotiating:
            if self._client is None:
                self._client = _connect(self._endpoint, self._pool_size)
            return self._client

    def _forget(self) -> None:
        """An engine that comes back may be another version: negotiate again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


class _Call:
    """One call, which is either sent or abandoned, whichever comes first."""

    def __init__(
        self, method: str, path: str, query: Query, body: object, timeout_seconds: float
    ) -> None:
        self._method = method
        self._path = path
        self._query = dict(query)
        self._body = None if body is None else msgspec.json.encode(body)
        self._timeout_seconds = timeout_seconds
        self._decision = threading.Lock()

    def begin(self) -> bool:
        return self._decision.acquire(blocking=False)

    def abandon(self) -> bool:
        """True when it was not sent, and so never will be."""
        return self._decision.acquire(blocking=False)

    def send(self, client: APIClient) -> Reply:
        try:
            response = client.request(
                self._method,
                f"{client.base_url}/v{client.api_version}{self._path}",
                params=self._query,
                data=self._body,
                headers={"Content-Type": "application/json"},
                timeout=(CONNECT_SECONDS, self._timeout_seconds),
                allow_redirects=False,
            )
            return Reply(response.status_code, response.content)
        except (requests.RequestException, OSError) as error:
            raise broken(error) from error


class _OnePool(UnixHTTPAdapter):
    """The SDK keeps a pool per URL, so it hardly ever uses a connection twice."""

    def get_connection(
        self,
        url: str | bytes,  # noqa: ARG002 - the socket is the same whatever the URL says
        proxies: Mapping[str, str] | None = None,
    ) -> UnixHTTPConnectionPool:
        return super().get_connection("http+docker://localhost", proxies)


def _too_late(call: _Call) -> EngineError:
    if call.abandon():
        return EngineUnavailable("The engine is too busy: the call was not made")
    return EngineOutcomeUnknown("The engine did not answer in time")


def _connect(endpoint: Endpoint, pool_size: int) -> APIClient:
    """Nothing was asked for yet, so whatever fails here, the call was not made."""
    try:
        client = APIClient(
            endpoint.sdk_url,
            timeout=CALL_SECONDS,
            tls=_tls(endpoint),
            max_pool_size=pool_size,
        )
    except (DockerException, requests.RequestException, OSError) as error:
        raise EngineUnavailable(f"The engine cannot be reached: {error}") from error
    client.trust_env = False  # calls with full power over a machine never go through a proxy
    if endpoint.socket:
        client.mount(
            "http+docker://",
            _OnePool(f"http+unix://{endpoint.socket}", CALL_SECONDS, max_pool_size=pool_size),
        )
    return client


def _tls(endpoint: Endpoint) -> TLSConfig | bool:
    files = endpoint.certificates
    if files is None:
        return False
    return TLSConfig(
        client_cert=(files.certificate, files.key), ca_cert=files.authority, verify=True
    )
