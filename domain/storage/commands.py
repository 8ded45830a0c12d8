"""What may be reported of the content-addressed store."""

from datetime import datetime

from domain.event import Command


class RecordBlobsCollected(Command, frozen=True, kw_only=True):
    collection_id: str
    count: int
    size: int
    unused_since: datetime


StorageCommand = RecordBlobsCollected
