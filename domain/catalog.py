"""Every event type there is, the streams they live in, and how old versions become new ones."""

from collections.abc import Mapping
from typing import get_args

from domain.access.events import AccessEvent
from domain.builds.events import BuildEvent
from domain.containers.events import ContainerEvent
from domain.engines.events import BindingEvent, EngineEvent
from domain.event_types import EventTypes, Upcaster
from domain.log.events import LogRestored
from domain.read_models.events import ReadModelEvent
from domain.storage.events import BlobsCollected

UPCASTERS: Mapping[tuple[str, int], Upcaster] = {}
"""By type name and the schema version that each starts from."""

EVENT_TYPES = EventTypes(
    (
        *get_args(ContainerEvent),
        *get_args(BuildEvent),
        *get_args(AccessEvent),
        *get_args(EngineEvent),
        *get_args(BindingEvent),
        *get_args(ReadModelEvent),
        LogRestored,
        BlobsCollected,
    ),
    UPCASTERS,
)
