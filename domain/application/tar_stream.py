"""Tar archives as streams: written and read piece by piece, never whole in memory."""

import io
import tarfile
from collections.abc import AsyncIterator, Sequence

import msgspec

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER_BYTES = 1024 * 1024
MAX_SMALL_FILE_BYTES = 1024 * 1024
MAX_SMALL_FILES = 16
MAX_MEMBERS = 64  # folders, links and namesakes among them
SHOWN_CHARACTERS = 100  # of a name that a build chose
EXTENDED = {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}


class TarFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to write. content: its bytes, `size` of them."""

    name: str
    size: int
    content: AsyncIterator[bytes]


class BrokenArchive(Exception):
    """The stream is no tar archive, or ends too early."""


class TooMuchOutput(BrokenArchive):
    """The archive may be sound, but nobody should have to read so much."""


async def write_tar(
    files: Sequence[TarFile], *, owner: int, modified_at: int, mode: int = 0o644
) -> AsyncIterator[bytes]:
    """modified_at: seconds since 1970, the same for all, so that equal inputs give equal bytes."""
    for file in files:
        header = tarfile.TarInfo(file.name)
        header.size, header.mode, header.mtime = file.size, mode, modified_at
        header.uid = header.gid = owner
        yield header.tobuf(tarfile.PAX_FORMAT)
        written = 0
        async for piece in file.content:
            written += len(piece)
            yield piece
        if written != file.size:
            raise BrokenArchive(f"{file.name} has {written} bytes, not {file.size}")
        yield bytes(-file.size % BLOCK)
    yield bytes(2 * BLOCK)


class TarReader:
    """Walks the members of a tar stream. Read each member's content before the next member."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._buffer = bytearray()
        self._left = 0
        self._padding = 0

    async def next(self) -> tarfile.TarInfo | None:
        """The next member, or None at the end. Raises BrokenArchive."""
        async for _ in self.content():
            pass
        await self._skip(self._padding)
        header = bytearray()
        while True:
            block = await self._exactly(BLOCK)
            if not block.strip(b"\0"):
                await self._drain()
                return None
            header += block
            member = parse_block(block)
            if member.type not in EXTENDED:
                break
            if len(header) + member.size > MAX_HEADER_BYTES:
                raise BrokenArchive("A header of the archive is too long")
            header += await self._exactly(member.size + -member.size % BLOCK)
        return self._enter(bytes(header))

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes of the present member that were not read yet."""
        while self._left:
            if not self._buffer:
                await self._fill()
            piece = bytes(self._buffer[: self._left])
            del self._buffer[: len(piece)]
            self._left -= len(piece)
            yield piece

    def _enter(self, header: bytes) -> tarfile.TarInfo:
        member = parse_header(header)
        self._left = content_size(member)
        self._padding = -self._left % BLOCK
        return member

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._fill()
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    async def _skip(self, size: int) -> None:
        await self._exactly(size)
        self._padding = 0

    async def _fill(self) -> None:
        try:
            self._buffer += await anext(self._chunks)
        except StopAsyncIteration:
            raise BrokenArchive("The archive ends too early") from None

    async def _drain(self) -> None:
        self._buffer.clear()
        async for _ in self._chunks:
            pass


def parse_header(header: bytes) -> tarfile.TarInfo:
    """A member's own header after its extended ones. Raises BrokenArchive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(header + bytes(2 * BLOCK)), mode="r:") as archive:
            member = archive.next()
    except (tarfile.TarError, ValueError, RecursionError) as error:  # recursion: of long chains
        raise BrokenArchive(str(error)) from error
    if member is None or member.size < 0 or member.issparse():
        raise BrokenArchive("A header of the archive cannot be read")
    return member


def content_size(member: tarfile.TarInfo) -> int:
    """How many bytes follow its header, without the padding."""
    empty = not member.isreg() and member.type in tarfile.SUPPORTED_TYPES
    return 0 if empty else member.size


def parse_block(block: bytes) -> tarfile.TarInfo:
    """One block as a header. Raises BrokenArchive."""
    try:
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.TarError as error:
        raise BrokenArchive(str(error)) from error
    if member.size < 0:
        raise BrokenArchive("A member of the archive has no size")
    return member


async def read_small_files(chunks: AsyncIterator[bytes]) -> dict[str, bytes]:
    """The regular files of a tar by their last name. Raises TooMuchOutput, BrokenArchive."""
    reader = TarReader(chunks)
    files: dict[str, bytes] = {}
    members = 0
    while (member := await reader.next()) is not None:
        members += 1
        if member.size > MAX_SMALL_FILE_BYTES:
            shown = ascii(member.name[:SHOWN_CHARACTERS])  # of whatever bytes, and as long
            raise TooMuchOutput(f"{shown} is larger than {MAX_SMALL_FILE_BYTES} bytes")
        if len(files) >= MAX_SMALL_FILES or members > MAX_MEMBERS:
            raise TooMuchOutput(f"there are more than {MAX_SMALL_FILES} files")
        if member.isreg():
            content = b"".join([piece async for piece in reader.content()])
            files[member.name.rpartition("/")[2]] = content
    return files
