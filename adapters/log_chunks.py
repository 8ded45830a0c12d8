"""What every log store asks of the chunks that it is given at once."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from domain.ports import LogChunk


def check_batch(chunks: Sequence[LogChunk]) -> None:
    """Each continues the one before and has bytes; anything else is a mistake of the caller."""
    if not all(chunk.data for chunk in chunks):
        raise ValueError("A chunk of a log has at least one byte")
    for before, after in pairwise(chunks):
        if (after.sequence, after.offset) != (before.sequence + 1, end_of(before)):
            raise ValueError(f"Chunk {after.sequence} does not continue {before.sequence}")


def end_of(chunk: LogChunk) -> int:
    return chunk.offset + len(chunk.data)


def how_many_fit(start: int, ends: Sequence[int], limit_bytes: int) -> int:
    """Of consecutive chunks that begin at `start`: as many as fit, but at least one."""
    return max(min(len(ends), 1), bisect_right(ends, start + limit_bytes))


def cut(chunks: Sequence[LogChunk], limit_bytes: int) -> Sequence[LogChunk]:
    start = chunks[0].offset if chunks else 0
    return chunks[: how_many_fit(start, [end_of(chunk) for chunk in chunks], limit_bytes)]
