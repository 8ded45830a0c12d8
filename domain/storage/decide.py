"""A collection is recorded once: each has an aggregate of its own."""

from domain.errors import Refusal
from domain.storage.commands import StorageCommand
from domain.storage.events import BlobsCollected, StorageEvent


def evolve(state: BlobsCollected | None, event: StorageEvent) -> BlobsCollected:
    del state
    return event


def decide(command: StorageCommand, state: BlobsCollected | None) -> tuple[StorageEvent, ...]:
    if state is not None:
        raise Refusal(
            rule="collection-is-recorded-once",
            state="recorded",
            advice=f"The collection {command.collection_id} is in the log already.",
        )
    return (
        BlobsCollected(
            collection_id=command.collection_id,
            count=command.count,
            size=command.size,
            unused_since=command.unused_since,
        ),
    )
