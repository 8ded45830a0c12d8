"""What commands print for programs: one object, or one a line of a list."""

import json
from typing import Any

import pytest

from tests.integration.cli.test_words import command
from tests.integration.http.support import Service, run


async def printed(service: Service, *arguments: str) -> list[Any]:
    result = await command(service, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("build", "list"), "build_id"),
        (("container", "list"), "container_id"),
        (("keys", "list"), "key_id"),
        (("projections", "list"), "name"),
        (("audit",), "outcome"),
    ],
)
def test_a_list_is_an_object_a_line(arguments: tuple[str, ...], key: str) -> None:
    async def story(service: Service) -> None:
        await service.a_build()
        await service.a_container()
        rows = await printed(service, *arguments)
        assert rows
        assert all(key in row for row in rows)

    run(story)


@pytest.mark.parametrize("as_of", [(), ("--as-of", "1000000")])
def test_what_is_shown_begins_with_its_id(as_of: tuple[str, ...]) -> None:
    async def story(service: Service) -> None:
        build, container = await service.a_build(), await service.a_container()
        for group, made in (("build", build), ("container", container)):
            then = (as_of[0], str(container["position"])) if as_of else ()
            (shown,) = await printed(service, group, "show", made["id"], *then)
            assert next(iter(shown.items())) == ("id", made["id"])

    run(story)
