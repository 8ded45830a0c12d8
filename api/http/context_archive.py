"""The members of an untrusted tar, plain or gzip, walked with little memory whatever it claims.

tarfile reads an extended header whole, however long it says to be; so it only gets headers that
were measured before. Synchronous, for a thread.
"""

import gzip
import io
import tarfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from domain.application.tar_stream import (
    BLOCK,
    EXTENDED,
    MAX_HEADER_BYTES,
    BrokenArchive,
    content_size,
    parse_block,
    parse_header,
)

if TYPE_CHECKING:
    from typing_extensions import Buffer  # collections.abc has it from 3.12 on

PIECE = 65_536
GZIP = b"\x1f\x8b"
REFUSED = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
MAGIC_BYTES = max(map(len, REFUSED))


class TooLarge(Exception):
    """More bytes than allowed come out of the archive."""


class _Rejoined(io.RawIOBase):
    """A stream whose beginning was read already."""

    def __init__(self, begin: bytes, rest: BinaryIO) -> None:
        self._begin = begin
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "Buffer", /) -> int:
        room = memoryview(buffer)
        piece = self._begin[: len(room)] or self._rest.read(len(room))
        self._begin = self._begin[len(piece) :]
        room[: len(piece)] = piece
        return len(piece)


class ContextArchive:
    def __init__(self, source: BinaryIO, limit_bytes: int) -> None:
        """limit_bytes: of the unpacked archive. Raises BrokenArchive for another compression."""
        self._source = _unpacked(source)
        self._left = limit_bytes
        self._unread = 0

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Raises BrokenArchive or TooLarge, and what gzip raises."""
        while header := self._header():
            member = parse_header(header)
            size = content_size(member)
            self._unread = size + -size % BLOCK
            yield member
            self._pass_over(self._unread)

    def content(self, member: tarfile.TarInfo) -> bytes:
        """Of the member that came last, once."""
        padded, self._unread = self._exactly(self._unread), 0
        return padded[: content_size(member)]

    def _header(self) -> bytes:
        """With the extended headers before it; nothing at the end."""
        header = bytearray()
        while True:
            block = self._up_to(BLOCK)
            if not header and not block.strip(b"\0"):
                return b""
            header += block
            member = parse_block(block)
            if member.type not in EXTENDED:
                return bytes(header)
            if len(header) + member.size > MAX_HEADER_BYTES:
                raise BrokenArchive("A header of the archive is too long")
            header += self._exactly(member.size + -member.size % BLOCK)

    def _pass_over(self, size: int) -> None:
        if size > self._left:
            raise TooLarge
        while size:
            size -= len(self._exactly(min(size, PIECE)))

    def _exactly(self, size: int) -> bytes:
        data = self._up_to(size)
        if len(data) < size:
            raise BrokenArchive("The archive ends too early")
        return data

    def _up_to(self, size: int) -> bytes:
        """Less only where the source ends."""
        if size > self._left:
            raise TooLarge
        self._left -= size
        data = bytearray()
        while len(data) < size and (piece := self._source.read(size - len(data))):
            data += piece
        return bytes(data)


def _unpacked(source: BinaryIO) -> io.BufferedIOBase:
    begin = source.read(MAGIC_BYTES)
    for magic, name in REFUSED.items():
        if begin.startswith(magic):
            raise BrokenArchive(f"it is packed with {name}")
    whole = io.BufferedReader(_Rejoined(begin, source), PIECE)
    return gzip.GzipFile(fileobj=whole, mode="rb") if begin.startswith(GZIP) else whole
