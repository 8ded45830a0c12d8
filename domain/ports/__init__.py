"""What the inside needs of the outside. Adapters implement these; only bootstrap knows which.

Every method may raise the errors of `domain.errors` named at its class. Nothing here waits
for ever: adapters bound every call.
"""

from domain.ports.blob_store import BlobReferences, BlobStat, BlobStore
from domain.ports.effects import ClaimedEffect, EffectStore, NewEffect, Superseding
from domain.ports.engine import (
    FEW_HOSTS,
    BuildOutput,
    ContainerEngine,
    EngineContainer,
    EngineContainerSpec,
    EngineEvent,
    EngineIdentity,
    EngineImage,
    EngineListing,
    EngineNetwork,
    EngineSize,
    ImageBuildRequest,
    Watches,
)
from domain.ports.erasable import Identities, SecretVault, StoredSecret
from domain.ports.event_store import EventStore
from domain.ports.image_builds import ImageBuilds, RunningBuild, RunningBuilds
from domain.ports.logs import LogChunk, LogEnd, LogFrame, LogStore, LogStreamName, LogWakeUps
from domain.ports.system import Clock, Ids

__all__ = [
    "FEW_HOSTS",
    "BlobReferences",
    "BlobStat",
    "BlobStore",
    "BuildOutput",
    "ClaimedEffect",
    "Clock",
    "ContainerEngine",
    "EffectStore",
    "EngineContainer",
    "EngineContainerSpec",
    "EngineEvent",
    "EngineIdentity",
    "EngineImage",
    "EngineListing",
    "EngineNetwork",
    "EngineSize",
    "EventStore",
    "Identities",
    "Ids",
    "ImageBuildRequest",
    "ImageBuilds",
    "LogChunk",
    "LogEnd",
    "LogFrame",
    "LogStore",
    "LogStreamName",
    "LogWakeUps",
    "NewEffect",
    "RunningBuild",
    "RunningBuilds",
    "SecretVault",
    "StoredSecret",
    "Superseding",
    "Watches",
]
