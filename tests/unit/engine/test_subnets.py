from ipaddress import IPv4Network

import pytest

from adapters.docker.subnets import SubnetPool

POOL = SubnetPool("10.213.0.0/24")


def test_a_name_begins_at_its_own_place_each_time() -> None:
    pool = SubnetPool("10.213.0.0/16")
    first = [next(pool.free(name, 10, [])) for name in ("em-a", "em-b", "em-c", "em-a")]
    assert first[0] == first[3]
    assert len(set(first)) == 3


def test_every_free_subnet_comes_once_and_none_that_is_taken() -> None:
    taken = [IPv4Network("10.213.0.0/25"), IPv4Network("172.17.0.0/16")]
    free = list(POOL.free("em-a", 10, taken))
    assert sorted(free) == list(IPv4Network("10.213.0.128/25").subnets(new_prefix=28))


@pytest.mark.parametrize(("hosts", "prefix"), [(1, 30), (10, 28), (13, 28), (14, 27), (61, 26)])
def test_a_subnet_has_room_for_the_hosts(hosts: int, prefix: int) -> None:
    subnet = next(POOL.free("em-a", hosts, []))
    assert subnet.prefixlen == prefix
    assert subnet.num_addresses - 3 >= hosts


def test_no_network_takes_more_than_a_quarter_of_the_pool() -> None:
    assert next(POOL.free("em-a", 10_000, [])).prefixlen == 26
