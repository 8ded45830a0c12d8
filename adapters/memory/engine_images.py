"""The images of the engine in memory, by tag and by id."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence

import msgspec

from adapters.memory.engine_container import Program
from domain.errors import ImageNotFound
from domain.ports import BuildOutput, EngineImage, ImageBuildRequest


class MemoryImages:
    def __init__(self, references: Sequence[str] = ()) -> None:
        self._images: dict[str, EngineImage] = {}
        self._tags: dict[str, str] = {}
        self._files: dict[str, dict[str, bytes]] = {}
        self.under_way: list[str] = []
        """The tags of image builds that run now."""
        for reference in references:
            self.add(reference, {}, {})

    def add(self, tag: str, labels: Mapping[str, str], files: Mapping[str, bytes]) -> EngineImage:
        seed = repr((tag, sorted(labels.items()), len(self._images)))
        image_id = "sha256:" + hashlib.sha256(seed.encode()).hexdigest()
        self._images[image_id] = EngineImage(
            image_id=image_id,
            tags=(),
            architecture="amd64",
            size=sum(map(len, files.values())),
            labels=dict(labels),
        )
        self._files[image_id] = dict(files)
        self.tag(image_id, tag)
        return self.get(image_id)

    async def build(
        self, request: ImageBuildRequest, program: Program
    ) -> AsyncGenerator[BuildOutput]:
        self.under_way.append(request.tag)
        try:
            yield BuildOutput(text=f"Step 1/1 : FROM {request.target or 'scratch'}\n")
            for frame in program.output:
                yield BuildOutput(stream=frame.stream, text=frame.data.decode())
            if program.exit_code is None:
                await asyncio.Event().wait()
        finally:
            self.under_way.remove(request.tag)
        if program.exit_code:
            code = program.exit_code
            yield BuildOutput(stream="stderr", error=f"The step returned a non-zero code: {code}")
            return
        image = self.add(request.tag, request.labels, {})
        yield BuildOutput(image_id=image.image_id)

    def tag(self, image: str, tag: str) -> None:
        self._tags[_full(tag)] = self.get(image).image_id

    def find(self, reference: str) -> EngineImage | None:
        image = self._images.get(self._tags.get(_full(reference), reference))
        if image is None:
            return None
        tags = tuple(tag for tag, image_id in self._tags.items() if image_id == image.image_id)
        return msgspec.structs.replace(image, tags=tags)

    def get(self, reference: str) -> EngineImage:
        image = self.find(reference)
        if image is None:
            raise ImageNotFound(reference)
        return image

    def files(self, image_id: str) -> Mapping[str, bytes]:
        return self._files[image_id]


def _full(reference: str) -> str:
    return reference if ":" in reference.rpartition("/")[2] else f"{reference}:latest"
