"""What comes out of the steps: what rpm says of a spec, and the packages with their recipe."""

from collections.abc import AsyncIterator
from typing import Literal

import msgspec

from domain.application.build_roots import PARENT
from domain.application.build_steps import BuildSettings
from domain.application.tar_stream import (
    SHOWN_CHARACTERS,
    TarReader,
    TooMuchOutput,
    read_small_files,
)
from domain.builds import commands as c
from domain.builds import recipe
from domain.builds.events import Artifact, Requirements, Step
from domain.builds.spec import FileName
from domain.builds.state import Build
from domain.errors import BlobTooLarge
from domain.ports import BlobStat, BlobStore, ClaimedEffect, ContainerEngine
from domain.processes import effects as f
from domain.processes import naming

MAX_ARTIFACTS = 10_000
MAX_OTHERS = 1_000  # that are left beside the packages, in each folder
FOLDERS: dict[str, Literal["rpm", "srpm"]] = {"RPMS": "rpm", "SRPMS": "srpm"}
UNKNOWN = "unknown"


class UnusableArtifacts(Exception):
    """What a build left behind cannot be kept: its own doing, so trying again is useless."""


class BuildResults:
    def __init__(self, engine: ContainerEngine, blobs: BlobStore, settings: BuildSettings) -> None:
        self._engine = engine
        self._blobs = blobs
        self._settings = settings

    async def read_requirements(
        self, effect: f.ReadRequirements, build: Build
    ) -> c.RecordRequirementsResolved | c.RecordBuildRefused:
        name = naming.step_name(build.build_id, effect.attempt, Step.RESOLVE, effect.round)
        try:
            files = await read_small_files(self._engine.get_files(name, recipe.OUT))
            requirements = recipe.read_requirements(
                build.spec, {name: data.decode(errors="replace") for name, data in files.items()}
            )
        except (KeyError, ValueError, TooMuchOutput) as error:
            return c.RecordBuildRefused(
                build_id=effect.build_id,
                attempt=effect.attempt,
                step=Step.RESOLVE,
                reason=f"What rpm says of the spec cannot be used: {error}",
            )
        return c.RecordRequirementsResolved(
            build_id=effect.build_id,
            attempt=effect.attempt,
            round=effect.round,
            requirements=requirements,
        )

    async def collect(
        self, claimed: ClaimedEffect, effect: f.CollectArtifacts, build: Build
    ) -> c.RecordArtifactsCollected | c.RecordBuildRefused:
        name = naming.step_name(build.build_id, effect.attempt, Step.RPMBUILD, 1)
        artifacts: list[Artifact] = []
        try:
            for folder in FOLDERS:
                await self._collect_packages(claimed.tenant, name, folder, artifacts)
        except UnusableArtifacts as error:
            return c.RecordBuildRefused(
                build_id=effect.build_id,
                attempt=effect.attempt,
                step=Step.RPMBUILD,
                reason=str(error),
            )
        if build.requirements is not None:
            artifacts.append(await self._write_recipe(claimed.tenant, build, build.requirements))
        return c.RecordArtifactsCollected(
            build_id=effect.build_id, attempt=effect.attempt, artifacts=tuple(artifacts)
        )

    async def _collect_packages(
        self, tenant: str, name: str, folder: str, artifacts: list[Artifact]
    ) -> None:
        """Adds to `artifacts`, whose number and size are bounded over all folders.

        They are asked for by their names, so these are different over all folders, too.
        """
        reader = TarReader(self._engine.get_files(name, f"{recipe.TOPDIR}/{folder}"))
        found: list[Artifact] = []
        left = self._settings.max_artifact_bytes - sum(artifact.size for artifact in artifacts)
        names = {artifact.name for artifact in artifacts}
        async for file_name in _packages(reader, folder):
            if len(names) >= MAX_ARTIFACTS:
                raise UnusableArtifacts(f"A build may leave at most {MAX_ARTIFACTS} packages.")
            if file_name in names:
                raise UnusableArtifacts(
                    f"The build left two packages named {file_name}. Give each a name of its own."
                )
            names.add(file_name)
            stat = await self._keep(tenant, reader, left)
            left -= stat.size
            found.append(
                Artifact(name=file_name, kind=FOLDERS[folder], digest=stat.digest, size=stat.size)
            )
        artifacts += sorted(found, key=lambda artifact: artifact.name)

    async def _keep(self, tenant: str, reader: TarReader, left: int) -> BlobStat:
        try:
            return await self._blobs.put(tenant, reader.content(), limit_bytes=left)
        except BlobTooLarge as error:
            limit = self._settings.max_artifact_bytes
            raise UnusableArtifacts(
                f"The packages of a build may have at most {limit} bytes in all."
            ) from error

    async def _write_recipe(
        self, tenant: str, build: Build, requirements: Requirements
    ) -> Artifact:
        text = recipe.dockerfile(
            build.spec,
            base_image=build.base_image,
            base_image_id=await self._base_image_id(build),
            requirements=requirements,
        ).encode()
        stat = await self._blobs.put(tenant, _once(text), limit_bytes=len(text))
        return Artifact(name="Dockerfile", kind="dockerfile", digest=stat.digest, size=stat.size)

    async def _base_image_id(self, build: Build) -> str:
        """As the toolchain tells it: the tag may name another image by now."""
        toolchain = build.toolchain and await self._engine.find_image(build.toolchain.image_id)
        return toolchain.labels.get(PARENT, UNKNOWN) if toolchain else UNKNOWN


async def _packages(reader: TarReader, folder: str) -> AsyncIterator[str]:
    """The file name of each, while its content is at hand."""
    others = 0
    while (member := await reader.next()) is not None:
        if member.isreg() and member.name.endswith(".rpm"):
            yield _file_name(member.name)
            continue
        others += 1
        if others > MAX_OTHERS:
            raise UnusableArtifacts(
                f"A build may leave at most {MAX_OTHERS} files and folders beside its packages in"
                f" {folder}. Remove them, or put them into a package."
            )


def _file_name(path: str) -> str:
    """The last part of a path that the build chose: it becomes part of addresses and headers."""
    name = path.rpartition("/")[2]
    try:
        return msgspec.convert(name, FileName)
    except msgspec.ValidationError as error:
        shown = ascii(name[:SHOWN_CHARACTERS])
        raise UnusableArtifacts(f"{shown} cannot be the name of a package.") from error


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
