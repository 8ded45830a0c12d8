"""Tar streams: what we write others read, what others write we read, what is broken is refused."""

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.application.tar_stream import (
    MAX_MEMBERS,
    MAX_SMALL_FILE_BYTES,
    MAX_SMALL_FILES,
    BrokenArchive,
    TarFile,
    TarReader,
    TooMuchOutput,
    read_small_files,
    write_tar,
)

NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/"), min_size=1
).filter(lambda name: name.strip(".") != "")
LONG_NAMES = st.builds("{}/{}".format, NAMES, st.integers(90, 300).map("n".__mul__)) | NAMES
FILES = st.dictionaries(LONG_NAMES, st.binary(max_size=1_500), max_size=5)
CUTS = st.integers(1, 1_200)


async def _pieces(data: bytes, size: int = 700) -> AsyncIterator[bytes]:
    for begin in range(0, len(data), size):
        yield data[begin : begin + size]


async def _written(files: dict[str, bytes]) -> bytes:
    members = [TarFile(name=n, size=len(d), content=_pieces(d)) for n, d in files.items()]
    return b"".join([piece async for piece in write_tar(members, owner=1_000, modified_at=7)])


async def _read(data: bytes, cut: int = 700) -> dict[str, bytes]:
    reader = TarReader(_pieces(data, cut))
    found: dict[str, bytes] = {}
    while (member := await reader.next()) is not None:
        content = b"".join([piece async for piece in reader.content()])
        if member.isreg():
            found[member.name] = content
    return found


def _by_the_library(files: dict[str, bytes], style: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for name, data in files.items():
            directory = tarfile.TarInfo(f"{name}.d")
            directory.type = tarfile.DIRTYPE
            archive.addfile(directory)
            link = tarfile.TarInfo(f"{name}.link")
            link.type, link.linkname = tarfile.SYMTYPE, name
            archive.addfile(link)
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@given(FILES)
def test_the_library_reads_what_we_write(files: dict[str, bytes]) -> None:
    data = asyncio.run(_written(files))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
        found = {m.name: f.read() for m in members if (f := archive.extractfile(m))}
    assert found == files
    assert all((m.uid, m.gid, m.mtime, m.mode) == (1_000, 1_000, 7, 0o644) for m in members)


@given(FILES, CUTS, st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_we_read_what_the_library_writes_however_it_is_cut(
    files: dict[str, bytes], cut: int, style: int
) -> None:
    assert asyncio.run(_read(_by_the_library(files, style), cut)) == files


def test_equal_files_give_equal_bytes() -> None:
    files = {"a": b"1", "b/c": b"22"}
    assert asyncio.run(_written(files)) == asyncio.run(_written(files))


@given(FILES.filter(bool), st.integers(0, 10_000))
def test_an_archive_that_ends_too_early_is_broken(files: dict[str, bytes], keep: int) -> None:
    data = _by_the_library(files, tarfile.PAX_FORMAT).rstrip(b"\0")
    with pytest.raises(BrokenArchive):
        asyncio.run(_read(data[: min(keep, len(data) - 1)]))


@given(FILES.filter(bool), st.lists(st.tuples(st.integers(0, 4_000), st.integers(0, 255))))
def test_a_damaged_archive_is_read_or_refused(
    files: dict[str, bytes], damage: list[tuple[int, int]]
) -> None:
    data = bytearray(_by_the_library(files, tarfile.PAX_FORMAT))
    for where, byte in damage:
        data[where % len(data)] = byte
    try:
        asyncio.run(_read(bytes(data)))
    except BrokenArchive:
        return


@given(st.binary(max_size=3_000))
def test_noise_is_read_as_nothing_or_refused(noise: bytes) -> None:
    try:
        assert asyncio.run(_read(noise)) == {}
    except BrokenArchive:
        return


def _header(kind: bytes, size: int) -> bytes:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, size
    return header.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_refused_before_it_is_read(kind: bytes) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield _header(kind, 2**40)
        while True:
            taken += 1
            yield bytes(65_536)

    async def body() -> None:
        with pytest.raises(BrokenArchive, match="too long"):
            await TarReader(endless()).next()

    asyncio.run(body())
    assert taken == 0


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE])
def test_a_size_below_zero_is_refused(kind: bytes) -> None:
    with pytest.raises(BrokenArchive):
        asyncio.run(_read(_header(kind, -600) + bytes(4_096)))


def test_members_of_an_unknown_kind_are_passed_over_with_what_they_carry() -> None:
    odd = _header(b"Q", 600) + b"x" * 600 + bytes(424)
    assert asyncio.run(_read(odd + _by_the_library({"a": b"1"}, tarfile.PAX_FORMAT))) == {"a": b"1"}


def test_few_files_are_read_and_more_are_refused_before_they_are() -> None:
    async def body(count: int) -> int:
        files = {f"out/{number}": b"x" for number in range(count)}
        return len(await read_small_files(_pieces(_by_the_library(files, tarfile.PAX_FORMAT))))

    assert asyncio.run(body(MAX_SMALL_FILES)) == MAX_SMALL_FILES
    with pytest.raises(TooMuchOutput, match=f"more than {MAX_SMALL_FILES} files"):
        asyncio.run(body(MAX_SMALL_FILES + 1))


def test_folders_and_namesakes_count_as_well() -> None:
    def member(number: int) -> bytes:
        return _header(tarfile.DIRTYPE if number % 2 else tarfile.REGTYPE, 0)

    endless = b"".join(map(member, range(MAX_MEMBERS + 1))) + bytes(1_024)
    with pytest.raises(TooMuchOutput, match=f"more than {MAX_SMALL_FILES} files"):
        asyncio.run(read_small_files(_pieces(endless)))


def test_what_is_said_of_a_file_that_is_too_large_can_be_recorded() -> None:
    name = f"out/\udcff\n{'long' * 1_000}"
    size = MAX_SMALL_FILE_BYTES + 1
    members = [TarFile(name=name, size=size, content=_pieces(bytes(size)))]
    with pytest.raises(TooMuchOutput) as found:
        asyncio.run(read_small_files(write_tar(members, owner=0, modified_at=0)))
    reason = str(found.value)
    assert reason.isascii()
    assert reason.isprintable()
    assert len(reason) < 1_000


def test_unread_content_is_passed_over() -> None:
    async def body() -> list[str]:
        reader = TarReader(_pieces(_by_the_library({"a": b"x" * 5_000, "b": b"y"}, 1)))
        names: list[str] = []
        while (member := await reader.next()) is not None:
            names += [member.name] if member.isreg() else []
        return names

    assert asyncio.run(body()) == ["a", "b"]


@pytest.mark.parametrize("size", [0, 4, 6])
def test_a_file_of_another_size_than_was_said_is_refused(size: int) -> None:
    async def body() -> None:
        member = TarFile(name="a", size=size, content=_pieces(b"12345"))
        with pytest.raises(BrokenArchive, match="5 bytes"):
            async for _ in write_tar([member], owner=0, modified_at=0):
                pass

    asyncio.run(body())
