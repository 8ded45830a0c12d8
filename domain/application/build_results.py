"""What comes out of the steps: what rpm says of a spec, and the packages with their recipe."""

from collections.abc import AsyncIterator

from domain.application.build_steps import BuildSettings
from domain.application.tar_stream import TarReader, read_small_files
from domain.builds import commands as c
from domain.builds import recipe
from domain.builds.events import Artifact, Requirements, Step
from domain.builds.state import Build
from domain.ports import BlobStore, ClaimedEffect, ContainerEngine
from domain.processes import effects as f
from domain.processes import naming


class BuildResults:
    def __init__(self, engine: ContainerEngine, blobs: BlobStore, settings: BuildSettings) -> None:
        self._engine = engine
        self._blobs = blobs
        self._settings = settings

    async def read_requirements(
        self, effect: f.ReadRequirements, build: Build
    ) -> c.RecordRequirementsResolved | c.RecordBuildRefused:
        name = naming.step_name(build.build_id, effect.attempt, Step.RESOLVE, effect.round)
        files = await read_small_files(self._engine.get_files(name, recipe.OUT))
        try:
            requirements = recipe.read_requirements(
                build.spec, {name: data.decode(errors="replace") for name, data in files.items()}
            )
        except (KeyError, ValueError) as error:
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
    ) -> c.BuildReport:
        name = naming.step_name(build.build_id, effect.attempt, Step.RPMBUILD, 1)
        artifacts: list[Artifact] = []
        for folder in ("RPMS", "SRPMS"):
            artifacts += await self._collect_packages(claimed.tenant, name, folder)
        if build.requirements is not None:
            artifacts.append(await self._write_recipe(claimed.tenant, build, build.requirements))
        return c.RecordArtifactsCollected(
            build_id=effect.build_id, attempt=effect.attempt, artifacts=tuple(artifacts)
        )

    async def _collect_packages(self, tenant: str, name: str, folder: str) -> list[Artifact]:
        reader = TarReader(self._engine.get_files(name, f"{recipe.TOPDIR}/{folder}"))
        found: list[Artifact] = []
        while (member := await reader.next()) is not None:
            if not member.isreg() or not member.name.endswith(".rpm"):
                continue
            stat = await self._blobs.put(
                tenant, reader.content(), limit_bytes=self._settings.max_artifact_bytes
            )
            found.append(
                Artifact(
                    name=member.name.rpartition("/")[2],
                    kind="srpm" if folder == "SRPMS" else "rpm",
                    digest=stat.digest,
                    size=stat.size,
                )
            )
        return sorted(found, key=lambda artifact: artifact.name)

    async def _write_recipe(
        self, tenant: str, build: Build, requirements: Requirements
    ) -> Artifact:
        base = await self._engine.find_image(build.base_image)
        text = recipe.dockerfile(
            build.spec,
            base_image=build.base_image,
            base_image_id=base.image_id if base else "unknown",
            requirements=requirements,
        ).encode()
        stat = await self._blobs.put(tenant, _once(text), limit_bytes=len(text))
        return Artifact(name="Dockerfile", kind="dockerfile", digest=stat.digest, size=stat.size)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
