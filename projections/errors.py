"""What reading may refuse, each with what to do about it."""

from collections.abc import Iterable

from domain.errors import DomainError


class ProjectionBehind(DomainError):
    """The read model has not reached the position that was asked for within the deadline."""

    def __init__(self, projection: str, position: int, wanted: int) -> None:
        super().__init__(
            f"{projection} has reached position {position}, not yet {wanted}. Ask again shortly."
        )
        self.projection = projection
        self.position = position
        self.wanted = wanted


class InvalidCursor(DomainError):
    """The page cursor was not given out by this list."""

    def __init__(self, listing: str) -> None:
        super().__init__(f"This cursor is none of the list {listing}. Begin without one.")
        self.listing = listing


class UnknownProjection(DomainError):
    """There is no projection of this name and version. known: names, or versions of this name."""

    def __init__(
        self, name: str, version: int | None = None, *, known: Iterable[str | int]
    ) -> None:
        which = name if version is None else f"{name} version {version}"
        known_ones = ", ".join(map(str, known))
        super().__init__(f"There is no projection {which}. Known are {known_ones}.")
        self.name = name
        self.version = version


class ProjectionNotReady(DomainError):
    """The version of a projection cannot be used for this yet."""

    def __init__(self, name: str, version: int | None, why: str) -> None:
        which = name if version is None else f"{name} version {version}"
        super().__init__(f"{which} {why}.")
        self.name = name
        self.version = version
        self.why = why
