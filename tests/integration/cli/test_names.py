"""A name that means several containers is refused, and what it means is told."""

import pytest

from api.cli.client import ApiClient
from api.cli.listing import MAX_PAGE
from api.cli.names import find_container
from api.cli.problems import ServiceRefused
from api.cli.service_address import ServiceAddress
from domain.access.roles import Role
from domain.containers import events as c
from domain.containers.spec import ContainerSpec
from tests.integration.http.support import Service, run
from tests.support.appends import an_append


async def record(
    service: Service, container_id: str, *more: c.ContainerEvent, name: str = "web"
) -> None:
    """Without the rule that names are not in use: logs may be older than it."""
    spec = ContainerSpec(image="web:1", name=name)
    requested = c.ContainerRequested(container_id=container_id, spec=spec)
    await service.store.append(an_append(f"container-{container_id}", requested, *more))


def client_of(service: Service) -> ApiClient:
    address = ServiceAddress(
        url=str(service.client.make_url("")).rstrip("/"), key=service.keys[Role.ADMIN]
    )
    return ApiClient(address)


def test_a_name_that_means_several_containers_is_refused_with_their_ids() -> None:
    async def story(service: Service) -> None:
        await record(service, "c1")
        await record(service, "c2")
        async with client_of(service) as client:
            with pytest.raises(ServiceRefused, match=r"2 containers.*c2, c1"):
                await find_container(client, "web")

    run(story)


def test_a_name_means_the_container_that_is_not_removed() -> None:
    async def story(service: Service) -> None:
        await record(service, "c1")
        await record(service, "c2", c.ContainerRemoved(container_id="c2", intent=1))
        async with client_of(service) as client:
            assert await find_container(client, "web") == "c1"

    run(story)


def test_a_name_is_found_behind_a_page_of_longer_ones() -> None:
    async def story(service: Service) -> None:
        await record(service, "c1")
        for number in range(MAX_PAGE):
            await record(service, f"n{number}", name=f"web-{number}")
        async with client_of(service) as client:
            assert await find_container(client, "web") == "c1"

    run(story)
