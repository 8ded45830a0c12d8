"""A container that nobody named is named after its image, and never like another."""

import msgspec
import pytest

from api.cli.container_request import named_after
from domain.containers.spec import ContainerSpec


@pytest.mark.parametrize(
    ("image", "stem"),
    [
        ("debian", "debian"),
        ("openeuler/openeuler:24.03-lts", "openeuler"),
        ("registry.example:5000/team/web_1.x:latest", "web_1.x"),
        ("team/web@sha256:" + "0" * 64, "web"),
        ("x" * 200, "x" * 50),
    ],
)
def test_a_name_after_an_image_is_one_that_a_container_may_have(image: str, stem: str) -> None:
    name = named_after(image)
    assert name.rpartition("-")[0] == stem
    assert msgspec.convert({"image": image, "name": name}, ContainerSpec).name == name


def test_two_containers_of_one_image_have_two_names() -> None:
    assert named_after("debian") != named_after("debian")
