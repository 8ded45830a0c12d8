"""The last lines of a log that is kept, for whoever wants to know without reading all of it."""

from domain.errors import BlobDamaged, BlobMissing
from domain.ports import LogStore

TAIL_BYTES = 32 * 1024
MAX_LINE = 500
READ_BYTES = 4 * 1024 * 1024  # the first chunk may begin long before what is wanted of it


async def read_tail(logs: LogStore, tenant: str, subject: str, *, lines: int) -> tuple[str, ...]:
    """Over both streams, in the order in which they were written. Raises StoreUnavailable."""
    end = (await logs.end(tenant, subject)).next_offset
    begin = max(0, end - TAIL_BYTES)
    try:
        chunks = await logs.read(tenant, subject, from_offset=begin, limit_bytes=READ_BYTES)
    except (BlobMissing, BlobDamaged):
        return ()  # a damaged log is no reason not to tell what became of its build
    written = b"".join(chunk.data for chunk in chunks)[-TAIL_BYTES:]
    pieces = written.split(b"\n")
    if begin:
        del pieces[0]  # the end of a line whose beginning was not read
    texts = [piece.decode(errors="replace")[:MAX_LINE].rstrip() for piece in pieces]
    return tuple([text for text in texts if text][-lines:])
