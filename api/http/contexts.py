"""Build contexts: an archive that cannot be used is refused before a build is recorded.

Unpacking is synchronous, so a thread reads from a pipe that is filled piece by piece.
"""

import asyncio
import os
import posixpath
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from tarfile import TarInfo
from typing import BinaryIO

from api.http import errors as e
from api.http.context_archive import ContextArchive, TooLarge
from api.http.parts import HttpParts
from domain.application.tar_stream import BrokenArchive
from domain.builds.dockerfile import why_refused
from domain.builds.spec import ImageSource

MAX_MEMBERS = 100_000
MAX_DOCKERFILE_BYTES = 1024 * 1024
CHECK_SECONDS = 120.0
CHECKS_AT_ONCE = 4


async def check_context(
    parts: HttpParts, room: asyncio.Semaphore, tenant: str, source: ImageSource
) -> None:
    """room: for so many at once; each has a thread of its own, as blobs are read by threads."""
    limit = parts.settings.storage.max_context_bytes
    if source.context.size > limit:
        raise e.Rejected(
            e.CONTEXT_TOO_LARGE,
            f"A context has at most {limit} bytes. Leave files out (.dockerignore).",
        )
    async with room:
        chunks = parts.blobs.read(tenant, source.context.digest)
        problem = await _examine(chunks, source.dockerfile, limit_bytes=4 * limit)
    if problem:
        raise e.Rejected(e.BROKEN_ARCHIVE, problem, path="$.source.context")


async def _examine(
    chunks: AsyncIterator[bytes], dockerfile: str, *, limit_bytes: int
) -> str | None:
    """What is wrong with the archive, None when it can be used."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    with os.fdopen(reading, "rb") as source, ThreadPoolExecutor(1) as thread:
        check = loop.run_in_executor(thread, _check, source, dockerfile, limit_bytes)
        late = False
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await _fill(writing, chunks)
        except TimeoutError:
            late = True
        finally:
            os.close(writing)
            problem = await check
    return f"It was not read within {CHECK_SECONDS:.0f} s. Make it smaller." if late else problem


async def _fill(writing: int, chunks: AsyncIterator[bytes]) -> None:
    os.set_blocking(writing, False)
    with suppress(BrokenPipeError):  # the reader knows enough
        async for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                try:
                    rest = rest[os.write(writing, rest) :]
                except BlockingIOError:
                    await _writable(writing)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)


def _check(source: BinaryIO, dockerfile: str, limit_bytes: int) -> str | None:
    try:
        return _walk(source, dockerfile, limit_bytes)
    except TooLarge:
        return f"The context unpacks to more than {limit_bytes} bytes. Leave files out."
    except (BrokenArchive, EOFError, OSError, zlib.error) as error:
        return f"The context is no readable tar (plain or gzip): {error}. Pack it again."
    finally:
        source.close()


def _walk(source: BinaryIO, dockerfile: str, limit_bytes: int) -> str | None:
    archive = ContextArchive(source, limit_bytes)
    wanted, found, members = _normal(dockerfile), False, 0
    for member in archive.members():
        members += 1
        if members > MAX_MEMBERS:
            return f"The context holds more than {MAX_MEMBERS} files. Leave files out."
        name = _normal(member.name)
        if name == wanted:
            if problem := _problem_of(member, archive, dockerfile, again=found):
                return problem
            found = True
        elif wanted.startswith(f"{name}/") and not member.isdir():
            return f"{dockerfile} is not in a folder of the context. Pack the folder itself."
    if members == 0:
        return "The context is empty. Pack the Dockerfile and what it copies into a tar."
    if not found:
        return f"The context has no file {dockerfile}. Add it, or name another `dockerfile`."
    return None


def _problem_of(
    member: TarInfo, archive: ContextArchive, dockerfile: str, *, again: bool
) -> str | None:
    """What is looked at must be what the engine reads: one file, and no link to another."""
    if again or not member.isfile():
        return f"{dockerfile} is in the context twice, or is no file. Pack the file itself, once."
    if member.size > MAX_DOCKERFILE_BYTES:
        return f"{dockerfile} is larger than {MAX_DOCKERFILE_BYTES} bytes. Name another one."
    return why_refused(archive.content(member).decode(errors="replace"))


def _normal(name: str) -> str:
    return posixpath.normpath(f"/{name.lstrip('/')}")
