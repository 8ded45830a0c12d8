"""Images to build in: found by the key of their content, or made by a step and kept under it."""

import hashlib

from domain.application.build_steps import BuildSettings, BuildSteps
from domain.application.tar_stream import read_small_files
from domain.builds import commands as c
from domain.builds import recipe
from domain.builds.events import Step
from domain.builds.state import Build, RootImage
from domain.errors import ContainerNotFound, EngineRefused, ImageNotFound
from domain.ports import ClaimedEffect, ContainerEngine, EngineContainerSpec, EngineImage
from domain.processes import effects as f
from domain.processes import naming

PACKAGES = f"{naming.PREFIX}packages-sha256"
PARENT = f"{naming.PREFIX}parent-image"
MANY_BUILDS = 1_000  # may fetch packages at the same time


class BuildRoots:
    def __init__(self, engine: ContainerEngine, steps: BuildSteps, settings: BuildSettings) -> None:
        self._engine = engine
        self._steps = steps
        self._settings = settings

    async def ensure(
        self, claimed: ClaimedEffect, effect: f.EnsureRoot, build: Build
    ) -> c.BuildReport:
        parent = await self._parent(effect.step, build)
        if effect.step is Step.PREPARE and not _missing(build):
            return self._prepared(effect, parent, build.toolchain)
        key = self._key(effect.step, parent, build)
        image = await self._made_before(recipe.root_tag(effect.step, key), parent)
        if image is not None:
            return self._prepared(effect, image, _root_image(effect.step, key, image))
        script = recipe.toolchain_script()
        if effect.step is Step.PREPARE:
            script = recipe.prepare_script(_missing(build))
        network = naming.build_network(self._settings.installation)
        await self._engine.ensure_network(
            network,
            labels={naming.INSTALLATION: self._settings.installation},
            hosts=MANY_BUILDS,
        )
        return await self._steps.begin(
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
                raise ImageNotFound(build.toolchain.image, "somebody removed it")
            return image
        found = await self._engine.find_image(build.base_image)
        return found or await self._engine.pull(build.base_image)

    async def _made_before(self, tag: str, parent: EngineImage) -> EngineImage | None:
        """One that does not say that it was made from this parent is made anew."""
        image = await self._engine.find_image(tag)
        return image if image and image.labels.get(PARENT) == parent.image_id else None

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

    async def commit(
        self, claimed: ClaimedEffect, effect: f.CommitRoot, build: Build
    ) -> c.RecordBuildRootPrepared:
        name = naming.step_name(build.build_id, effect.attempt, effect.step, effect.round)
        parent = await self._parent_of(name)
        key = self._key(effect.step, parent, build)
        tag = recipe.root_tag(effect.step, key)
        image = await self._made_before(tag, parent)
        if image is None:
            files = await read_small_files(self._engine.get_files(name, recipe.PACKAGES_FILE))
            packages = hashlib.sha256(b"".join(files.values())).hexdigest()
            labels = {
                naming.EFFECT: claimed.effect_id,
                PACKAGES: packages,
                PARENT: parent.image_id,
            }
            image = await self._engine.commit(name, tag=tag, labels=labels)
        return self._prepared(effect, image, _root_image(effect.step, key, image))

    async def _parent_of(self, name: str) -> EngineImage:
        """What a step's container was made from: a tag may name another image by now."""
        container = await self._engine.inspect(name)
        if container is None:
            raise ContainerNotFound(name)
        image = await self._engine.find_image(container.image_id)
        if image is None:
            raise ImageNotFound(container.image_id, "somebody removed it")
        return image


def _root_image(step: Step, key: str, image: EngineImage) -> RootImage:
    return RootImage(key=key, image=recipe.root_tag(step, key), image_id=image.image_id)


def _missing(build: Build) -> tuple[str, ...]:
    return build.requirements.missing if build.requirements else ()
