"""Page cursors: where a list goes on. Opaque to clients, and of no use in another list."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from projections.errors import InvalidCursor

NEWEST = 2**63 - 1
"""Above every position: where a list that shows the newest first begins."""


def encode(listing: str, position: int) -> str:
    return urlsafe_b64encode(f"{listing}:{position}".encode()).decode().rstrip("=")


def decode(listing: str, cursor: str | None) -> int:
    """Raises InvalidCursor."""
    if cursor is None:
        return NEWEST
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        name, _, position = urlsafe_b64decode(padded.encode()).decode().partition(":")
        if name == listing and position.isascii() and position.isdecimal():
            return min(int(position), NEWEST)
    except ValueError:
        pass
    raise InvalidCursor(listing)
