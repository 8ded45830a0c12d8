"""Two things measured in turns: what disturbs the machine disturbs both."""

import statistics
from collections.abc import Callable, Sequence

import msgspec


class Compared(msgspec.Struct, frozen=True):
    """One figure of ours and one of the peer's for each round."""

    ours: Sequence[float]
    peers: Sequence[float]

    @property
    def our_median(self) -> float:
        return statistics.median(self.ours)

    @property
    def peer_median(self) -> float:
        return statistics.median(self.peers)

    @property
    def ratios(self) -> Sequence[float]:
        return [ours / peer for ours, peer in zip(self.ours, self.peers, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def shown_ratio(self) -> str:
        """Median, smallest, largest."""
        return f"{self.ratio:.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f})"


def in_turns(ours: Callable[[], float], peer: Callable[[], float], rounds: int) -> Compared:
    """Who begins changes from round to round."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        first = number % 2
        for which in (first, 1 - first):
            found[which].append((ours, peer)[which]())
    return Compared(*found)


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
