"""Carries out the effects of builds: containers for the steps, images for the roots, artifacts."""

import hashlib
from collections.abc import AsyncIterator

import msgspec

from domain.application.aggregates import BUILDS
from domain.application.command_handler import CommandHandler
from domain.application.log_tail import read_tail
from domain.application.tar_stream import BrokenArchive, TarFile, TarReader, write_tar
from domain.builds import commands as c
from domain.builds import recipe
from domain.builds.events import Artifact, Requirements, Step
from domain.builds.spec import RpmSource
from domain.builds.state import Build, Phase, RootImage
from domain.errors import BlobDamaged, BlobMissing, EngineRefused, ImageNotFound
from domain.ports import (
    BlobStore,
    ClaimedEffect,
    ContainerEngine,
    EngineContainerSpec,
    EngineImage,
    ImageBuilds,
    LogStore,
    RunningBuild,
)
from domain.processes import effects as f
from domain.processes import naming

PACKAGES = f"{naming.PREFIX}packages-sha256"
STOPPED_LINES = 20
MAX_OUTPUT_FILE_BYTES = 1024 * 1024


class BuildSettings(msgspec.Struct, frozen=True, kw_only=True):
    """snapshot: names the state of the package repositories. installation: for the labels."""

    installation: str
    snapshot: str = "default"
    max_artifact_bytes: int = 16 * 1024**3


class BuildPerformer:
    """Safe to run twice for one effect: containers and images are found again by their names."""

    def __init__(
        self,
        *,
        engine: ContainerEngine,
        handler: CommandHandler,
        blobs: BlobStore,
        logs: LogStore,
        image_builds: ImageBuilds,
        settings: BuildSettings,
    ) -> None:
        self._engine = engine
        self._handler = handler
        self._blobs = blobs
        self._logs = logs
        self._image_builds = image_builds
        self._settings = settings

    async def perform(self, claimed: ClaimedEffect, effect: f.BuildEffects) -> c.BuildReport | None:
        """The report to record, None where there is nothing to tell.

        Raises EngineUnavailable or EngineOutcomeUnknown: try again.
        """
        if claimed.superseded:
            return None
        loaded = await self._handler.load(BUILDS, claimed.tenant, effect.build_id)
        build = loaded.state
        if not isinstance(build, Build):
            raise TypeError(f"{claimed.stream} has effects but no events")
        if not isinstance(effect, f.StopBuild | f.SweepBuild) and _overtaken(effect, build):
            return None
        try:
            return await self._call(claimed, effect, build)
        except ImageNotFound as error:
            return _base_image_missing(effect, build, error)
        except (EngineRefused, BrokenArchive, BlobMissing, BlobDamaged) as error:
            return _errored(effect, build, str(error), retryable=isinstance(error, BrokenArchive))

    async def _call(
        self, claimed: ClaimedEffect, effect: f.BuildEffects, build: Build
    ) -> c.BuildReport | None:
        match effect:
            case f.EnsureRoot():
                return await self._ensure_root(claimed, effect, build)
            case f.CommitRoot():
                return await self._commit_root(claimed, effect, build)
            case f.RunStep():
                return await self._run_step(claimed, effect, build)
            case f.ReadRequirements():
                return await self._read_requirements(effect, build)
            case f.CollectArtifacts():
                return await self._collect(claimed, effect, build)
            case f.StartImageBuild():
                return await self._start_image_build(claimed, effect, build)
            case f.StopBuild():
                return await self._stop(claimed, effect, build)
            case f.SweepBuild():
                await self._sweep(claimed, effect)
                return None

    async def _ensure_root(
        self, claimed: ClaimedEffect, effect: f.EnsureRoot, build: Build
    ) -> c.BuildReport:
        parent = await self._parent(effect.step, build)
        if effect.step is Step.PREPARE and not _missing(build):
            return self._prepared(effect, parent, build.toolchain)
        key = self._key(effect.step, parent, build)
        image = await self._engine.find_image(recipe.root_tag(effect.step, key))
        if image is not None:
            return self._prepared(effect, image, _root_image(effect.step, key, image))
        script = recipe.toolchain_script()
        if effect.step is Step.PREPARE:
            script = recipe.prepare_script(_missing(build))
        network = naming.build_network(self._settings.installation)
        await self._engine.ensure_network(
            network, labels={naming.INSTALLATION: self._settings.installation}
        )
        return await self._begin(
            claimed,
            effect,
            build,
            EngineContainerSpec(
                name=naming.step_name(build.build_id, effect.attempt, effect.step, effect.round),
                image=parent.image_id,
                entrypoint=("/bin/sh", "-c"),
                command=(script,),
                user="0:0",
                network=network,
                limits=build.spec.limits,
                capabilities=recipe.ROOT_CAPABILITIES,
            ),
        )

    async def _parent(self, step: Step, build: Build) -> EngineImage:
        """What the root is made from: the base image, or the toolchain."""
        if step is Step.PREPARE and build.toolchain is not None:
            image = await self._engine.find_image(build.toolchain.image_id)
            if image is None:
                raise EngineRefused(f"The toolchain image {build.toolchain.image} is gone")
            return image
        found = await self._engine.find_image(build.base_image)
        return found or await self._engine.pull(build.base_image)

    def _key(self, step: Step, parent: EngineImage, build: Build) -> str:
        return recipe.root_key(
            step,
            parent_image_id=parent.image_id,
            architecture=parent.architecture,
            snapshot=self._settings.snapshot,
            missing=_missing(build) if step is Step.PREPARE else (),
        )

    def _prepared(
        self, effect: f.EnsureRoot | f.CommitRoot, image: EngineImage, root: RootImage | None
    ) -> c.RecordBuildRootPrepared:
        if root is None:
            raise EngineRefused("There is no toolchain to prepare a build root from")
        return c.RecordBuildRootPrepared(
            build_id=effect.build_id,
            attempt=effect.attempt,
            step=effect.step,
            round=effect.round,
            key=root.key,
            image=root.image,
            image_id=root.image_id,
            packages_digest=image.labels.get(PACKAGES, ""),
            reused=isinstance(effect, f.EnsureRoot),
        )

    async def _commit_root(
        self, claimed: ClaimedEffect, effect: f.CommitRoot, build: Build
    ) -> c.RecordBuildRootPrepared:
        key = self._key(effect.step, await self._parent(effect.step, build), build)
        tag = recipe.root_tag(effect.step, key)
        image = await self._engine.find_image(tag)
        if image is None:
            name = naming.step_name(build.build_id, effect.attempt, effect.step, effect.round)
            files = await self._small_files(name, recipe.PACKAGES_FILE)
            packages = hashlib.sha256(b"".join(files.values())).hexdigest()
            labels = {PACKAGES: packages, naming.EFFECT: claimed.effect_id}
            image = await self._engine.commit(name, tag=tag, labels=labels)
        return self._prepared(effect, image, _root_image(effect.step, key, image))

    async def _run_step(
        self, claimed: ClaimedEffect, effect: f.RunStep, build: Build
    ) -> c.BuildReport:
        root = build.root or build.toolchain
        if root is None:
            raise EngineRefused(f"Step {effect.step} has no build root")
        epoch = build.requirements.source_date_epoch if build.requirements else 0
        program, *arguments = recipe.rpmbuild_command(build.spec)
        if effect.step is Step.RESOLVE:
            program, arguments = "/bin/sh", ["-c", recipe.resolve_script(build.spec)]
        return await self._begin(
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

    async def _begin(
        self,
        claimed: ClaimedEffect,
        effect: f.EnsureRoot | f.RunStep,
        build: Build,
        spec: EngineContainerSpec,
    ) -> c.RecordStepStarted:
        labels = {
            **self._labels(claimed, effect.attempt),
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

    def _labels(self, claimed: ClaimedEffect, attempt: int) -> dict[str, str]:
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

    async def _start_image_build(
        self, claimed: ClaimedEffect, effect: f.StartImageBuild, build: Build
    ) -> c.RecordStepStarted:
        running = RunningBuild(
            tenant=claimed.tenant,
            build_id=effect.build_id,
            attempt=effect.attempt,
            correlation_id=claimed.correlation_id,
        )
        at = await self._image_builds.start(running, build.spec)
        return c.RecordStepStarted(
            build_id=effect.build_id,
            attempt=effect.attempt,
            step=Step.IMAGE,
            round=1,
            engine_name="",
            image_id="",
            started_at=at,
        )

    async def _read_requirements(
        self, effect: f.ReadRequirements, build: Build
    ) -> c.RecordRequirementsResolved | c.RecordBuildRefused:
        name = naming.step_name(build.build_id, effect.attempt, Step.RESOLVE, effect.round)
        files = await self._small_files(name, recipe.OUT)
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

    async def _small_files(self, name: str, path: str) -> dict[str, bytes]:
        reader = TarReader(self._engine.get_files(name, path))
        files: dict[str, bytes] = {}
        while (member := await reader.next()) is not None:
            if member.size > MAX_OUTPUT_FILE_BYTES:
                raise BrokenArchive(f"{member.name} is larger than {MAX_OUTPUT_FILE_BYTES} bytes")
            if member.isreg():
                content = b"".join([piece async for piece in reader.content()])
                files[member.name.rpartition("/")[2]] = content
        return files

    async def _collect(
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

    async def _stop(
        self, claimed: ClaimedEffect, effect: f.StopBuild, build: Build
    ) -> c.RecordBuildStopped:
        await self._image_builds.cancel(effect.build_id, effect.attempt)
        for container in await self._engine.list(self._labels(claimed, effect.attempt)):
            if container.status in {"running", "paused", "restarting"}:
                await self._engine.kill(container.name, signal="KILL")
        return c.RecordBuildStopped(
            build_id=effect.build_id,
            attempt=effect.attempt,
            log_tail=await self._log_tail(claimed.tenant, build),
        )

    async def _log_tail(self, tenant: str, build: Build) -> tuple[str, ...]:
        if build.step is None:
            return ()
        subject = naming.step_log(build.build_id, build.attempt, build.step, build.round)
        return await read_tail(self._logs, tenant, subject, lines=STOPPED_LINES)

    async def _sweep(self, claimed: ClaimedEffect, effect: f.SweepBuild) -> None:
        for container in await self._engine.list(self._labels(claimed, effect.attempt)):
            await self._engine.remove(container.name, force=True)


def _overtaken(effect: f.BuildEffects, build: Build) -> bool:
    """The build has ended or is being stopped, and nobody has superseded the effect yet."""
    return build.ended or build.phase is Phase.STOPPING or effect.attempt != build.attempt


def _root_image(step: Step, key: str, image: EngineImage) -> RootImage:
    return RootImage(key=key, image=recipe.root_tag(step, key), image_id=image.image_id)


def _missing(build: Build) -> tuple[str, ...]:
    return build.requirements.missing if build.requirements else ()


def _base_image_missing(
    effect: f.BuildEffects, build: Build, error: ImageNotFound
) -> c.BuildReport:
    """Whose fault depends on who chose the image."""
    if build.spec.base_image is None:
        return _errored(effect, build, str(error), retryable=False)
    return c.RecordBuildRefused(
        build_id=effect.build_id,
        attempt=effect.attempt,
        step=Step.TOOLCHAIN,
        reason=f"{error}. Choose another base_image.",
    )


def _errored(
    effect: f.BuildEffects, build: Build, reason: str, *, retryable: bool
) -> c.RecordBuildErrored:
    return c.RecordBuildErrored(
        build_id=effect.build_id,
        attempt=effect.attempt,
        step=build.step,
        reason=reason,
        retryable=retryable,
    )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
