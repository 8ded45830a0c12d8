"""Contexts of whoever may build: walked with little memory, whatever they claim to hold."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
from collections.abc import Callable

import pytest

from api.http.context_archive import ContextArchive, TooLarge
from domain.application.tar_stream import BrokenArchive

MEBIBYTE = 1024 * 1024
LIMIT = 1024 * MEBIBYTE
LONG = "n" * 300


def packed(style: int = tarfile.PAX_FORMAT, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def names(data: bytes, limit: int = LIMIT) -> list[str]:
    return [member.name for member in ContextArchive(io.BytesIO(data), limit).members()]


@pytest.mark.parametrize("style", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_plain_and_gzip_archives_are_read(pack: Callable[[bytes], bytes], style: int) -> None:
    files = {"Dockerfile": b"FROM scratch", "data": b"x" * 200_000}
    if style != tarfile.USTAR_FORMAT:
        files[LONG] = b"y"
    assert names(pack(packed(style, **files))) == list(files)


def test_the_zeros_at_the_end_may_be_missing() -> None:
    assert names(packed(a=b"x" * 512)[:1024]) == ["a"]


@pytest.mark.parametrize(
    ("pack", "name"), [(bz2.compress, "bzip2"), (lzma.compress, "xz")], ids=["bzip2", "xz"]
)
def test_other_compressions_are_refused_by_name(pack: Callable[[bytes], bytes], name: str) -> None:
    with pytest.raises(BrokenArchive, match=name):
        names(pack(packed(a=b"")))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K"])
def test_a_bomb_in_an_extended_header_is_refused_unread(kind: bytes) -> None:
    size = 64 * MEBIBYTE
    bomb = gzip.compress(header(kind, size) + bytes(size), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(BrokenArchive, match="too long"):
            names(bomb)
        assert tracemalloc.get_traced_memory()[1] < 2 * MEBIBYTE
    finally:
        tracemalloc.stop()


def test_many_extended_headers_for_one_member_are_refused() -> None:
    with pytest.raises(BrokenArchive):
        names(header(b"x", 0) * 1_500 + packed(a=b""))
    with pytest.raises(BrokenArchive, match="too long"):
        names(header(b"x", 0) * 3_000 + packed(a=b""))


def test_a_large_file_is_passed_over_with_little_memory_until_the_limit() -> None:
    bomb = gzip.compress(packed(a=bytes(16 * MEBIBYTE)), compresslevel=1)
    tracemalloc.start()
    try:
        assert names(bomb) == ["a"]
        assert tracemalloc.get_traced_memory()[1] < 2 * MEBIBYTE
    finally:
        tracemalloc.stop()
    with pytest.raises(TooLarge):
        names(bomb, limit=MEBIBYTE)


def test_a_size_that_only_the_pax_header_names_counts() -> None:
    member = tarfile.TarInfo("a")
    member.pax_headers = {"size": str(2 * MEBIBYTE)}
    with pytest.raises(TooLarge):
        names(member.tobuf(tarfile.PAX_FORMAT) + packed(b=b""), limit=MEBIBYTE)
