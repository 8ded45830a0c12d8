"""What may be asked of a build: a closed type; limits and timeouts are always set."""

from typing import Annotated

import msgspec
from msgspec import Meta

from domain.containers.spec import MEBIBYTE, ImageReference, Limits, Name

FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+~^][A-Za-z0-9_.+~^-]{0,254}$(?!\n)")]
Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}$(?!\n)")]
BuildArgument = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$(?!\n)")]

BUILD_LIMITS = Limits(memory_bytes=2048 * MEBIBYTE, cpu_millis=2_000, pids=4_096)


class SourceFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file in the content-addressed store; size in bytes."""

    name: FileName
    digest: Digest
    size: Annotated[int, Meta(ge=0)]


class RpmSource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="rpm"):
    """source_date_epoch: seconds since 1970 for all times in the package; None takes the newest
    changelog entry, and 1980-01-01 where the spec has no changelog."""

    spec: SourceFile
    sources: Annotated[tuple[SourceFile, ...], Meta(max_length=1_000)] = ()
    source_date_epoch: Annotated[int, Meta(ge=0, le=4_102_444_800)] | None = None


class ImageSource(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="image"
):
    """context: a tar (plain or gzip) with the Dockerfile in it.

    cache: steps that the engine has carried out before, on the same files, are not repeated.
    """

    context: SourceFile
    dockerfile: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}$(?!\n)")] = (
        "Dockerfile"
    )
    target: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]{0,128}$(?!\n)")] = ""
    arguments: Annotated[dict[BuildArgument, str], Meta(max_length=64)] = {}
    cache: bool = True


class BuildSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """wall_seconds: for one attempt in all; idle_seconds: without a line of log.

    base_image: None takes the service's own.
    """

    name: Name
    source: RpmSource | ImageSource
    base_image: ImageReference | None = None
    limits: Limits = BUILD_LIMITS
    wall_seconds: Annotated[int, Meta(ge=1, le=7 * 86_400)] = 3_600
    idle_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 900
