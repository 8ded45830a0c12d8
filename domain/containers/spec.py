"""What may be asked of a container: a closed type whose defaults are the safe ones.

Whatever has no field here (mounts, devices, privileges, host namespaces) cannot be asked for.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MEBIBYTE = 1024 * 1024

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$(?!\n)")]
# Not ours: the engine's objects of the service are told by labels that begin with io.eulermaker.
Label = Annotated[str, Meta(pattern=r"^(?!io\.eulermaker\.)[a-z0-9][a-z0-9_.-]{0,62}$(?!\n)")]
ImageReference = Annotated[str, Meta(pattern=r"^(?!.*\.\.)[a-z0-9][A-Za-z0-9_./:@-]{0,254}$(?!\n)")]
Variable = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$(?!\n)")]
Argument = Annotated[str, Meta(max_length=4096)]
AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\x00:,]{0,254}$(?!\n)")]
Signal = Literal["HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "WINCH"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Always set, never unlimited. 1,000 cpu_millis are one processor."""

    memory_bytes: Annotated[int, Meta(ge=6 * MEBIBYTE, le=1024 * 1024 * MEBIBYTE)] = 512 * MEBIBYTE
    cpu_millis: Annotated[int, Meta(ge=10, le=1_024_000)] = 1_000
    pids: Annotated[int, Meta(ge=1, le=65_536)] = 256


class SecretVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A secret environment variable as events know it.

    reference: where the encrypted value is kept; hmac: tells equal values apart from changed ones.
    """

    name: Variable
    reference: str
    hmac: str


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """network: `none`, or `isolated`: one of its own, where no other container can be reached.

    From there it reaches the outside, and also the engine's machine and whatever listens on it.
    """

    image: ImageReference
    name: Name
    command: Annotated[tuple[Argument, ...], Meta(max_length=256)] = ()
    entrypoint: Annotated[tuple[Argument, ...], Meta(max_length=256)] = ()
    environment: Annotated[dict[Variable, Argument], Meta(max_length=256)] = {}
    secrets: Annotated[tuple[SecretVariable, ...], Meta(max_length=64)] = ()
    user: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$(?!\n)")] | None = None
    working_directory: AbsolutePath | None = None
    labels: Annotated[dict[Label, Annotated[str, Meta(max_length=256)]], Meta(max_length=64)] = {}
    limits: Limits = Limits()
    network: Literal["none", "isolated"] = "none"
    read_only_root: bool = False
    tmpfs: Annotated[tuple[AbsolutePath, ...], Meta(max_length=16)] = ()
    stop_grace_seconds: Annotated[int, Meta(ge=0, le=600)] = 10


class PolicyDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Which policy allowed the request, so that the event can be judged later."""

    profile: str = "default"
    version: int = 1
