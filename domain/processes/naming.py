"""Names and labels of what we make in an engine. Deterministic: a second try finds the first."""

import hashlib

import msgspec

from domain.builds.events import Step

PREFIX = "io.eulermaker."
INSTALLATION = f"{PREFIX}installation"
TENANT = f"{PREFIX}tenant"
AGGREGATE = f"{PREFIX}aggregate"
GENERATION = f"{PREFIX}generation"
CORRELATION = f"{PREFIX}correlation"
EFFECT = f"{PREFIX}effect"
SPEC = f"{PREFIX}spec-sha256"
STEP = f"{PREFIX}step"
ROUND = f"{PREFIX}round"
NAME_PREFIX = "em-"
"""What the names of our containers begin with; somebody at the engine may rename one."""


def container_name(container_id: str, generation: int) -> str:
    return f"{NAME_PREFIX}{container_id}-{generation}"


def step_name(build_id: str, attempt: int, step: Step, number: int) -> str:
    return f"{NAME_PREFIX}{build_id}-{attempt}-{step}-{number}"


def build_network(installation: str) -> str:
    """Shared by the steps that fetch packages: engines have room for few networks."""
    return f"eulermaker-builds-{installation[:12]}"


def network_name(container_id: str) -> str:
    return f"{NAME_PREFIX}{container_id}"


def image_network(build_id: str, attempt: int) -> str:
    return f"em-{build_id}-{attempt}-{Step.IMAGE}"


def container_log(container_id: str, generation: int) -> str:
    return f"container-{container_id}/{generation}"


def step_log(build_id: str, attempt: int, step: Step, number: int) -> str:
    return f"build-{build_id}/{attempt}/{step}/{number}"


def ours(labels: dict[str, str]) -> dict[str, str]:
    """Without those of the image and of the user."""
    return {name: value for name, value in labels.items() if name.startswith(PREFIX)}


def fingerprint(value: msgspec.Struct) -> str:
    """SHA-256 of what was asked for, to tell our own object from a namesake."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()
