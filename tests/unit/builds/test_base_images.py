"""Whose fault it is that a base image cannot be had, from what the engine says of it."""

import pytest

from domain.builds.events import Step
from tests.unit.builds.test_diagnosis import diagnosed

FROM_COPY = "COPY --chown=1 --from=away.example/a:1 /a /b"


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        (
            "FROM away.example/a:1",
            'Get "https://away.example/v2/": dial tcp: lookup away.example: no such host',
        ),
        (
            "FROM --platform=linux/amd64 away.example/a:1 AS base",
            (
                'failed to resolve reference "away.example/a:1": failed to do request: Head '
                '"https://away.example/v2/a/manifests/1": dial tcp: i/o timeout'
            ),
        ),
        ("from away.example/a:1", "toomanyrequests: You have reached your pull rate limit."),
        (
            FROM_COPY,
            (
                'invalid from flag value away.example/a:1: Get "https://away.example/v2/": '
                "dial tcp: connection refused"
            ),
        ),
    ],
)
def test_a_registry_that_cannot_be_reached_is_the_systems_fault(
    instruction: str, said: str
) -> None:
    found = diagnosed(Step.IMAGE, f"Step 1/2 : {instruction}\nerror: {said}\n")
    assert (found.user_fault, found.retryable) == (False, True)
    assert found.reason == (
        "Image away.example/a:1 is not in the engine, and its registry cannot be asked:"
        f" {said.rstrip('.')}. Check the name and the registry, or load the image into the engine"
        " (docker pull, docker load)."
    )


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        (
            "FROM nothing:1",
            (
                "pull access denied for nothing, repository does not exist or may require"
                " 'docker login'"
            ),
        ),
        ("FROM nothing:1", "manifest for nothing:1 not found: manifest unknown: manifest unknown"),
        (
            "FROM nothing:1",
            (
                'failed to resolve reference "docker.io/library/nothing:1": '
                "docker.io/library/nothing:1: not found"
            ),
        ),
        (
            "COPY --from=nothing:1 /a /b",
            "invalid from flag value nothing:1: pull access denied for nothing",
        ),
    ],
)
def test_a_base_image_that_does_not_exist_is_the_dockerfiles_fault(
    instruction: str, said: str
) -> None:
    found = diagnosed(Step.IMAGE, f"Step 1/2 : {instruction}\nerror: {said}\n")
    assert found.user_fault
    assert found.reason == (
        f"Image nothing:1 is neither in the engine nor to be had from its registry: {said}. Name"
        " another, or load it into the engine (docker load)."
    )


def test_what_a_program_says_of_a_registry_is_no_matter_of_the_base_image() -> None:
    printed = 'error: Get "https://registry-1.docker.io/v2/": dial tcp: no such host'
    failed = "error: The command '/bin/sh -c push' returned a non-zero code: 1"
    assert diagnosed(Step.IMAGE, f"{printed}\n{failed}\n").user_fault
