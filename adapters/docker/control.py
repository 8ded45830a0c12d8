"""Short calls to the engine through the docker SDK's session, in threads of their own.

Each call is bounded twice: the socket's timeout ends the thread, the event loop's the wait. A call
that waited too long for a thread is never sent at all.
"""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec
import requests
from docker import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import DockerException
from docker.tls import TLSConfig

from adapters.docker import wire
from adapters.docker.address import Endpoint
from adapters.docker.errors import Reply, broken, unreachable
from adapters.docker.unix_socket import CONNECT_SECONDS, UnixSocketAdapter
from domain.errors import EngineError, EngineOutcomeUnknown, EngineUnavailable

THREADS = 288  # a stop holds one for as long as its grace lasts; they are made when needed
CALL_SECONDS = 60
GRACE_SECONDS = 2  # for a thread to report its own timeout

Query = Mapping[str, str]


class _Engine(NamedTuple):
    """The SDK's session, and the API version that both sides speak."""

    session: APIClient
    api_version: str


class ControlClient:
    def __init__(self, endpoint: Endpoint, *, threads: int = THREADS) -> None:
        self._endpoint = endpoint
        self._pool_size = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._engine: _Engine | None = None
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
            async with asyncio.timeout(timeout_seconds + GRACE_SECONDS):
                return await self._in_thread(call)
        except TimeoutError as error:
            raise _too_late(call) from error
        finally:
            call.abandon()

    async def api_version(self) -> str:
        """As negotiated with the engine that is there now."""
        if self._engine is not None:
            return self._engine.api_version
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CALL_SECONDS + GRACE_SECONDS):
                return (await loop.run_in_executor(self._threads, self._negotiated)).api_version
        except TimeoutError as error:
            raise EngineUnavailable("The engine does not tell its version") from error

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
        engine = self._negotiated()
        if not call.begin():
            raise EngineUnavailable("The caller gave up before the call was made")
        return call.send(engine)

    def _negotiated(self) -> _Engine:
        with self._negotiating:
            if self._engine is None:
                self._engine = _connect(self._endpoint, self._pool_size)
            return self._engine

    def _forget(self) -> None:
        """An engine that comes back may be another version: negotiate again."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.session.close()


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

    def send(self, engine: _Engine) -> Reply:
        try:
            response = engine.session.request(
                self._method,
                f"{engine.session.base_url}/v{engine.api_version}{self._path}",
                params=self._query,
                data=self._body,
                headers={"Content-Type": "application/json"},
                timeout=(CONNECT_SECONDS, self._timeout_seconds),
                allow_redirects=False,
            )
            return Reply(response.status_code, response.content)
        except (requests.RequestException, OSError) as error:
            raise broken(error) from error


def _too_late(call: _Call) -> EngineError:
    if call.abandon():
        return EngineUnavailable("The engine is too busy: the call was not made")
    return EngineOutcomeUnknown("The engine did not answer in time")


def _connect(endpoint: Endpoint, connections: int) -> _Engine:
    """Nothing was asked for yet, so whatever fails here, the call was not made."""
    session = _session(endpoint, connections)
    try:
        response = session.get(
            f"{session.base_url}/version", timeout=(CONNECT_SECONDS, CALL_SECONDS)
        )
        version = msgspec.json.decode(response.content, type=wire.VersionReply).api_version
    except (requests.RequestException, msgspec.DecodeError, OSError) as error:
        session.close()
        raise unreachable(error) from error
    return _Engine(session, version)


def _session(endpoint: Endpoint, connections: int) -> APIClient:
    try:
        # Any version, unused: the SDK would negotiate on a transport that is not ours.
        session = APIClient(endpoint.sdk_url, DEFAULT_DOCKER_API_VERSION, tls=_tls(endpoint))
    except (DockerException, OSError) as error:
        raise unreachable(error) from error
    session.trust_env = False  # calls with full power over a machine never go through a proxy
    if endpoint.socket:
        adapter = UnixSocketAdapter(
            endpoint.socket, timeout_seconds=CALL_SECONDS, connections=connections
        )
        session.mount("http+docker://", adapter)
    return session


def _tls(endpoint: Endpoint) -> TLSConfig | bool:
    files = endpoint.certificates
    if files is None:
        return False
    for path in (files.authority, files.certificate, files.key):
        if not Path(path).is_file():
            raise EngineUnavailable(f"The engine cannot be reached: DOCKER_CERT_PATH lacks {path}")
    return TLSConfig(
        client_cert=(files.certificate, files.key), ca_cert=files.authority, verify=True
    )
