"""The files of a build: a context that can be unpacked, and all of them here."""

import gzip
import io
import tarfile

import pytest

from api.settings import Settings, StorageSettings
from tests.integration.http.support import Service, problem, run


def archive(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def header_bomb() -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 64 * 1024 * 1024
    return gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(member.size), compresslevel=1)


DOCKERFILE = archive(Dockerfile=b"FROM scratch", main=b"x" * 200_000)


@pytest.mark.parametrize(
    ("content", "status", "name"),
    [
        (DOCKERFILE, 202, ""),
        (b"no archive at all", 422, "broken-archive"),
        (b"", 422, "broken-archive"),
        (archive(other=b""), 422, "broken-archive"),
        (header_bomb(), 422, "broken-archive"),
        (DOCKERFILE[:-40], 422, "broken-archive"),
        (DOCKERFILE[:60] + b"\0" * 40 + DOCKERFILE[100:], 422, "broken-archive"),
        (b"x" * 2_000_000, 413, "context-too-large"),
    ],
    ids=[
        "good",
        "text",
        "empty",
        "without-dockerfile",
        "header-bomb",
        "cut-off",
        "damaged",
        "large",
    ],
)
def test_a_build_context(content: bytes, status: int, name: str) -> None:
    async def story(service: Service) -> None:
        file = {"name": "context.tar.gz", **await service.upload(content)}
        body = {"name": "image", "source": {"type": "image", "context": file}}
        response = await service.call("POST", "/v1/builds", body)
        assert response.status == status, await response.text()
        if name:
            assert await problem(response) == (status, name)

    run(story, Settings(storage=StorageSettings(max_context_bytes=1_000_000)))


def of_members(*members: tuple[str, bytes, bytes]) -> bytes:
    """Of a name, a type and either content or, of a link, its target."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            else:
                member.linkname = content.decode()
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


PLAIN = (tarfile.REGTYPE, b"FROM scratch\nADD a /a\n")
FETCHES = (tarfile.REGTYPE, b"FROM scratch\nADD http://127.0.0.1:1/ /a\n")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("d/Dockerfile", *PLAIN)], ""),
        ([("/d/./Dockerfile", *PLAIN)], ""),
        ([("d", tarfile.DIRTYPE, b""), ("d/Dockerfile", *PLAIN)], ""),
        ([("./d/Dockerfile", *FETCHES)], "Line 2 of the Dockerfile: ADD takes only"),
        ([("d/Dockerfile", *PLAIN), ("d//Dockerfile", *FETCHES)], "twice"),
        ([("d/Dockerfile", *PLAIN), ("d/Dockerfile", tarfile.SYMTYPE, b"x")], "no file"),
        ([("d/Dockerfile", tarfile.LNKTYPE, b"x")], "no file"),
        ([("d/Dockerfile", *PLAIN), ("d", tarfile.SYMTYPE, b"x")], "not in a folder"),
        ([("d/Dockerfile", tarfile.REGTYPE, b"#" * (1024 * 1024 + 1))], "is larger than"),
    ],
)
def test_a_dockerfile_is_looked_at_before_the_engine_sees_it(
    members: list[tuple[str, bytes, bytes]], words: str
) -> None:
    async def story(service: Service) -> None:
        file = {"name": "context.tar", **await service.upload(of_members(*members))}
        source = {"type": "image", "context": file, "dockerfile": "d/Dockerfile"}
        response = await service.call("POST", "/v1/builds", {"name": "image", "source": source})
        if words:
            assert await problem(response) == (422, "broken-archive")
            assert words in (await response.json())["detail"]
        else:
            assert response.status == 202, await response.text()

    run(story)


def test_files_of_a_build_must_be_here_in_the_size_it_says() -> None:
    async def story(service: Service) -> None:
        spec = {"name": "a.spec", **await service.upload(b"Name: a")}
        missing = {"name": "a.tar", "digest": f"sha256:{'0' * 64}", "size": 1}
        for files, expected, path in (
            ([missing], "missing-content", "$.source.sources[0]"),
            ([spec, {**spec, "size": 9}], "wrong-size", "$.source.sources[1]"),
        ):
            body = {"name": "a", "source": {"type": "rpm", "spec": spec, "sources": files}}
            response = await service.call("POST", "/v1/builds", body)
            assert await problem(response) == (422, expected)
            assert (await response.json())["path"] == path

    run(story)
