"""Where an engine is: what DOCKER_HOST and its companions say, and what that means for a client."""

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from domain.errors import EngineRefused

DEFAULT_HOST = "unix:///var/run/docker.sock"
PLAIN_PORT = 2375
TLS_PORT = 2376


class EngineAddress(msgspec.Struct, frozen=True, kw_only=True):
    """docker_host: `unix://`, `tcp://` or `ssh://`; None is the socket of this machine.

    certificates: the folder with ca.pem, cert.pem and key.pem. With it, or with tls_verify,
    the engine is reached by TLS, and always verified.
    """

    docker_host: str | None = None
    tls_verify: bool = False
    certificates: str | None = None


class Certificates(msgspec.Struct, frozen=True, kw_only=True):
    authority: str
    certificate: str
    key: str

    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of socket and url is what a client connects to."""

    socket: str | None = None
    url: str = "http://engine"
    certificates: Certificates | None = None

    @property
    def sdk_url(self) -> str:
        return f"unix://{self.socket}" if self.socket else self.url


def ssh_destination(address: EngineAddress) -> str | None:
    """The whole ssh:// URL, which the system's ssh understands, or None for other transports."""
    host = address.docker_host or DEFAULT_HOST
    return host if host.startswith("ssh://") else None


def endpoint(address: EngineAddress) -> Endpoint:
    """Raises EngineRefused for an address that no client could use."""
    parts = urlsplit(address.docker_host or DEFAULT_HOST)
    if parts.scheme == "unix":
        return Endpoint(socket=parts.path)
    if parts.scheme == "tcp" and parts.hostname:
        return _tcp_endpoint(address, parts.hostname, parts.port)
    raise EngineRefused(
        f"The engine address {address.docker_host} is not understood. Use unix://, tcp:// or ssh://."
    )


def _tcp_endpoint(address: EngineAddress, host: str, port: int | None) -> Endpoint:
    host = f"[{host}]" if ":" in host else host
    if not (address.tls_verify or address.certificates):
        return Endpoint(url=f"http://{host}:{port or PLAIN_PORT}")
    folder = Path(address.certificates or Path.home() / ".docker")
    return Endpoint(
        url=f"https://{host}:{port or TLS_PORT}",
        certificates=Certificates(
            authority=str(folder / "ca.pem"),
            certificate=str(folder / "cert.pem"),
            key=str(folder / "key.pem"),
        ),
    )
