"""What can have happened to the content-addressed store."""

from datetime import datetime

from domain.event import Event


class BlobsCollected(Event, frozen=True, kw_only=True):
    """Blobs that no event ever mentioned, and that nobody touched after `unused_since`, are gone.

    size: in bytes, of all of them. It names no digest: an event that mentions a blob keeps it.
    """

    collection_id: str
    count: int
    size: int
    unused_since: datetime


StorageEvent = BlobsCollected
