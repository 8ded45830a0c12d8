"""One engine by each of the ways to reach it."""

import asyncio
import ssl
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.docker import DockerEngine, EngineAddress
from adapters.docker.address import Endpoint, endpoint
from domain.errors import EngineError, EngineUnavailable
from tests.support.container_engines import TALKS_AND_STAYS, Bench, a_tar, on_docker
from tests.support.engine_proxy import ENGINE_SOCKET, EngineProxy, until

# What `ssh HOST docker system dial-stdio` is to us: bytes between stdin, stdout and the socket.
FAKE_SSH = f"""#!{sys.executable}
import os, socket, sys, threading
assert sys.argv[-4:] == ["ssh://builder@engine.example", "docker", "system", "dial-stdio"]
engine = socket.socket(socket.AF_UNIX)
engine.connect("{ENGINE_SOCKET}")
def there():
    while piece := os.read(0, 65536):
        engine.sendall(piece)
    engine.shutdown(socket.SHUT_WR)
threading.Thread(target=there, daemon=True).start()
while piece := engine.recv(65536):
    os.write(1, piece)
"""
SSH = EngineAddress(docker_host="ssh://builder@engine.example")


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    program = tmp_path / "ssh"
    program.write_text(FAKE_SSH)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    yield program
    assert processes_of(program) == []


def processes_of(program: Path) -> list[str]:
    commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [each.decode() for each in commands if str(program).encode() in each]


@pytest.mark.usefixtures("ssh")
def test_an_engine_behind_ssh_does_all_that_a_local_one_does() -> None:
    @on_docker
    async def claim(bench: Bench) -> None:
        async with await DockerEngine.open(SSH) as engine:
            remote = Bench(engine, bench.image)
            name = await remote.running(TALKS_AND_STAYS.command)
            frames = engine.logs(name, follow=True)
            assert (await anext(frames)).data == b"ready\n"
            await frames.aclose()
            content = bytes(range(256)) * 8192
            await engine.put_files(name, "/srv", a_tar({"large": content}))
            assert await remote.files(name, "/srv/large") == {"large": content}
            await engine.remove(name, force=True)

    claim()


def test_a_stream_that_is_left_ends_its_ssh(ssh: Path) -> None:
    @on_docker
    async def claim(bench: Bench) -> None:
        name = await bench.running(TALKS_AND_STAYS.command)
        async with await DockerEngine.open(SSH) as engine:
            await engine.identity()
            before = len(processes_of(ssh))
            frames = engine.logs(name, follow=True)
            await anext(frames)
            assert len(processes_of(ssh)) == before + 1
            await frames.aclose()
            await until(lambda: len(processes_of(ssh)) == before)

    claim()


def test_an_ssh_that_cannot_connect_is_an_engine_that_cannot_be_reached(ssh: Path) -> None:
    ssh.write_text("#!/bin/sh\nexit 255\n")

    async def body() -> None:
        async with await DockerEngine.open(SSH) as engine:
            with pytest.raises(EngineUnavailable):
                await engine.identity()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (EngineAddress(), Endpoint(socket="/var/run/docker.sock")),
        (EngineAddress(docker_host="unix:///a/b.sock"), Endpoint(socket="/a/b.sock")),
        (EngineAddress(docker_host="tcp://a"), Endpoint(url="http://a:2375")),
        (EngineAddress(docker_host="tcp://[::1]:99"), Endpoint(url="http://[::1]:99")),
    ],
)
def test_an_address_says_what_to_connect_to(address: EngineAddress, expected: Endpoint) -> None:
    assert endpoint(address) == expected


def test_certificates_or_verification_mean_tls(tmp_path: Path) -> None:
    for address in (
        EngineAddress(docker_host="tcp://a", certificates=str(tmp_path)),
        EngineAddress(docker_host="tcp://a", certificates=str(tmp_path), tls_verify=True),
    ):
        found = endpoint(address)
        assert found.url == "https://a:2376"
        assert found.certificates is not None
        assert found.certificates.authority == str(tmp_path / "ca.pem")


def test_an_engine_is_reached_by_tcp(tmp_path: Path) -> None:
    asyncio.run(look_over_tcp(EngineProxy(tmp_path), EngineAddress()))


def test_an_engine_is_reached_by_tls_that_both_sides_prove(tmp_path: Path) -> None:
    write_certificates(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tmp_path / "ca.pem")
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    ours = EngineAddress(tls_verify=True, certificates=str(tmp_path))
    asyncio.run(look_over_tcp(EngineProxy(tmp_path), ours, server))
    other = tmp_path / "other"
    other.mkdir()
    write_certificates(other)
    stranger = EngineAddress(tls_verify=True, certificates=str(other))
    with pytest.raises(EngineError):
        asyncio.run(look_over_tcp(EngineProxy(tmp_path), stranger, server))


async def look_over_tcp(
    proxy: EngineProxy, address: EngineAddress, tls: ssl.SSLContext | None = None
) -> None:
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    address = EngineAddress(
        docker_host=f"tcp://127.0.0.1:{port}",
        tls_verify=address.tls_verify,
        certificates=address.certificates,
    )
    try:
        async with await DockerEngine.open(address) as engine:
            assert (await engine.identity()).engine_id
            events = engine.events(labels={"io.eulermaker.test": "none"})
            waiting = asyncio.ensure_future(anext(events))
            await until(lambda: proxy.asked(b"/events") == 1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await events.aclose()
        await until(lambda: proxy.open_connections == 0)
    finally:
        server.close()


def write_certificates(folder: Path) -> None:
    """One certificate is authority, engine and client at once."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
