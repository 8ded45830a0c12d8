"""Steps of RPM builds as containers: begun once, found again by their names."""

import msgspec

from domain.application.tar_stream import TarFile, write_tar
from domain.builds import commands as c
from domain.builds import recipe
from domain.builds.events import Step
from domain.builds.spec import RpmSource
from domain.builds.state import Build
from domain.errors import EngineRefused
from domain.ports import BlobStore, ClaimedEffect, ContainerEngine, EngineContainerSpec
from domain.processes import effects as f
from domain.processes import naming


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """snapshot: names the state of the package repositories. installation: for the labels."""

    installation: str
    snapshot: str = "default"
    max_artifact_bytes: int = 16 * 1024**3


class BuildSteps:
    def __init__(self, engine: ContainerEngine, blobs: BlobStore, settings: BuildSettings) -> None:
        self._engine = engine
        self._blobs = blobs
        self._settings = settings

    async def run(self, claimed: ClaimedEffect, effect: f.RunStep, build: Build) -> c.BuildReport:
        root = build.root or build.toolchain
        if root is None:
            raise EngineRefused(f"Step {effect.step} has no build root")
        epoch = build.requirements.source_date_epoch if build.requirements else 0
        program, *arguments = recipe.rpmbuild_command(build.spec)
        if effect.step is Step.RESOLVE:
            program, arguments = "/bin/sh", ["-c", recipe.resolve_script(build.spec)]
        return await self.begin(
            claimed,
            effect,
            build,
            EngineContainerSpec(
                name=naming.step_name(build.build_id, effect.attempt, effect.step, effect.round),
                image=root.image_id,
                entrypoint=(program,),
                command=tuple(arguments),
                environment=recipe.environment(epoch),
                user=f"{recipe.BUILDER_UID}:{recipe.BUILDER_UID}",
                working_directory=recipe.TOPDIR,
                limits=build.spec.limits,
            ),
        )

    async def begin(
        self,
        claimed: ClaimedEffect,
        effect: f.EnsureRoot | f.RunStep,
        build: Build,
        spec: EngineContainerSpec,
    ) -> c.RecordStepStarted:
        labels = {
            **self.labels(claimed, effect.attempt),
            naming.CORRELATION: claimed.correlation_id,
            naming.STEP: effect.step,
            naming.ROUND: str(effect.round),
            naming.SPEC: naming.fingerprint(spec),
        }
        container = await self._engine.create(msgspec.structs.replace(spec, labels=labels))
        if container.status == "created":
            if isinstance(effect, f.RunStep):
                await self._put_inputs(claimed.tenant, spec.name, build)
            container = await self._engine.start(spec.name)
        if container.started_at is None:
            raise EngineRefused(f"The engine did not start {spec.name}: {container.error}")
        return c.RecordStepStarted(
            build_id=effect.build_id,
            attempt=effect.attempt,
            step=effect.step,
            round=effect.round,
            engine_name=container.name,
            image_id=container.image_id,
            started_at=container.started_at,
        )

    def labels(self, claimed: ClaimedEffect, attempt: int) -> dict[str, str]:
        return {
            naming.INSTALLATION: self._settings.installation,
            naming.TENANT: claimed.tenant,
            naming.AGGREGATE: claimed.stream,
            naming.GENERATION: str(attempt),
        }

    async def _put_inputs(self, tenant: str, name: str, build: Build) -> None:
        source = build.spec.source
        if not isinstance(source, RpmSource):
            raise TypeError("Only an RPM build has such inputs")
        epoch = build.requirements.source_date_epoch if build.requirements else 0
        files = [("SPECS", source.spec), *(("SOURCES", file) for file in source.sources)]
        members = [
            TarFile(
                name=f"{folder}/{file.name}",
                size=file.size,
                content=self._blobs.read(tenant, file.digest),
            )
            for folder, file in files
        ]
        archive = write_tar(members, owner=recipe.BUILDER_UID, modified_at=epoch)
        await self._engine.put_files(name, recipe.TOPDIR, archive)
