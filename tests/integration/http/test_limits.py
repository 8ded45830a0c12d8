"""How much is answered and recorded, by key and by where it comes from."""

import pytest

from api.settings import AccessSettings, ServerSettings, Settings
from domain.access.roles import Role
from tests.integration.http.support import Service, problem, run


def test_a_flood_of_failures_is_recorded_only_up_to_the_limit() -> None:
    settings = Settings(
        access=AccessSettings(recorded_failures_per_minute=3, requests_per_second_and_address=1_000)
    )

    async def story(service: Service) -> None:
        before = service.store.position
        for _ in range(10):
            assert (await service.client.get("/v1/builds")).status == 401
        assert service.store.position == before + 3

    run(story, settings)


@pytest.mark.parametrize("address", ["2001:db8::{:x}", "2001:db8:{:x}::1", "::ffff:10.0.0.{}"])
def test_a_flood_from_many_addresses_is_recorded_only_up_to_the_limit(address: str) -> None:
    settings = Settings(
        access=AccessSettings(
            recorded_failures_per_minute=2,
            recorded_failures_per_minute_in_all=5,
            requests_per_second_and_address=1_000,
        ),
        server=ServerSettings(trusted_proxies=("127.0.0.1",)),
    )
    expected = 2 if address.startswith("2001:db8::") else 5

    async def story(service: Service) -> None:
        before = service.store.position
        for number in range(10):
            headers = {"X-Forwarded-For": address.format(number)}
            assert (await service.client.get("/v1/builds", headers=headers)).status == 401
        assert service.store.position == before + expected
        await service.call("POST", "/v1/keys", {"role": "admin"}, role=Role.BUILDER)
        assert service.store.position == before + expected + 1, "a key's denials have room"

    run(story, settings)


def test_an_ipv6_client_is_limited_by_its_network_and_others_are_not() -> None:
    settings = Settings(
        access=AccessSettings(requests_per_second_and_address=2),
        server=ServerSettings(trusted_proxies=("127.0.0.1",)),
    )

    async def story(service: Service) -> None:
        addresses = [f"2001:db8::{number}" for number in range(5)] + ["2001:db8:1::1"]
        answers = [
            await service.client.get("/healthz", headers={"X-Forwarded-For": address})
            for address in addresses
        ]
        assert [answer.status for answer in answers] == [200, 200, 429, 429, 429, 200]

    run(story, settings)


@pytest.mark.parametrize(
    "named", ["requests_per_second_and_key", "requests_per_second_and_address"]
)
def test_too_many_requests_are_told_when_to_come_back(named: str) -> None:
    async def story(service: Service) -> None:
        headers = service.headers() if "key" in named else {}
        responses = [await service.client.get("/v1/builds", headers=headers) for _ in range(5)]
        assert await problem(responses[-1]) == (429, "too-many-requests")
        assert int(responses[-1].headers["Retry-After"]) >= 1

    run(story, Settings(access=AccessSettings(**{named: 2})))
