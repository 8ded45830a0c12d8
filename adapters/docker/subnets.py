"""Which addresses a network of ours gets: engines' own pools hold about thirty networks in all.

The search for a free subnet begins at a place that the name decides, so that networks made at the
same time seldom want the same one, and one that is made again most often gets its old addresses.
"""

import hashlib
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

OURS_IN_EACH = 3  # the network's own address, the gateway's, and the broadcast's
SHARES_AT_LEAST = 2  # no single network takes more than a quarter of the pool


class SubnetPool:
    def __init__(self, pool: str) -> None:
        """Raises ValueError where that is no range of addresses, like 10.213.0.0/16."""
        self._pool = IPv4Network(pool)

    def __str__(self) -> str:
        return str(self._pool)

    def free(self, name: str, hosts: int, taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
        """Every subnet with room for so many containers that overlaps none of those taken."""
        ours = [network for network in taken if network.overlaps(self._pool)]
        bits = (hosts + OURS_IN_EACH - 1).bit_length()
        prefix = min(30, max(32 - bits, self._pool.prefixlen + SHARES_AT_LEAST))
        count = 2 ** (prefix - self._pool.prefixlen)
        begin = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % count
        for index in range(count):
            subnet = self._subnet((begin + index) % count, prefix)
            if not any(subnet.overlaps(network) for network in ours):
                yield subnet

    def _subnet(self, index: int, prefix: int) -> IPv4Network:
        return IPv4Network((int(self._pool.network_address) + index * 2 ** (32 - prefix), prefix))
