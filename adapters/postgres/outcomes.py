"""What `log.append` or `log.append_one` answered, in the domain's words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from adapters.postgres.envelope import EncodedAppend
from domain.errors import CommandIdReused, ConcurrencyConflict
from domain.event import Receipt

RECORDED, REPLAYED, CONFLICT = 0, 1, 2

Outcome = Receipt | ConcurrencyConflict | CommandIdReused


class AppendRow(NamedTuple):
    """Its columns, one element a command."""

    outcomes: Sequence[int]
    versions: Sequence[int]
    first_positions: Sequence[int]
    last_positions: Sequence[int]
    replayed_streams: Sequence[str | None]
    replayed_statuses: Sequence[str | None]


def outcomes_of(batch: Sequence[EncodedAppend], row: AppendRow) -> Iterator[Outcome]:
    for encoded, outcome, version, first, last, stream, status in zip(batch, *row, strict=True):
        append = encoded.append
        if outcome <= REPLAYED:
            yield Receipt(
                command_id=append.context.command_id,
                status=status or append.status,
                stream=stream or append.stream,
                version=version,
                first_position=first,
                last_position=last,
                replayed=outcome == REPLAYED,
            )
        elif outcome == CONFLICT:
            yield ConcurrencyConflict(append.stream, append.expected_version, version)
        else:
            yield CommandIdReused(append.context.command_id)
