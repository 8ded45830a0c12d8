"""The aggregates there are: which stream a command belongs to, and the functions that rule it."""

from collections.abc import Callable
from typing import Any

import msgspec

from domain.access import commands as access_commands
from domain.access import decide as access
from domain.access import state as access_state
from domain.builds import commands as build_commands
from domain.builds import decide as builds
from domain.builds import state as build_state
from domain.containers import commands as container_commands
from domain.containers import decide as containers
from domain.containers import state as container_state
from domain.engines import binding
from domain.engines import commands as engine_commands
from domain.engines import decide as engines
from domain.event import Command, Event
from domain.log import commands as log_commands
from domain.log import decide as log
from domain.read_models import commands as read_model_commands
from domain.read_models import decide as read_models
from domain.storage import commands as storage_commands
from domain.storage import decide as storage


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """prefix: of its streams (`build-<id>`). creating: commands whose stream should be new."""

    prefix: str
    decide: Callable[[Any, Any], tuple[Event, ...]]
    evolve: Callable[[Any, Any], Any]
    key: Callable[[Any], str]
    commands: tuple[type[Command], ...]
    creating: tuple[type[Command], ...] = ()

    def stream(self, identifier: str) -> str:
        return f"{self.prefix}-{identifier}"


CONTAINERS = Aggregate(
    prefix="container",
    decide=containers.decide,
    evolve=container_state.evolve,
    key=lambda command: command.container_id,
    commands=container_commands.ContainerCommand.__args__,
    creating=(container_commands.RequestContainer,),
)
BUILDS = Aggregate(
    prefix="build",
    decide=builds.decide,
    evolve=build_state.evolve,
    key=lambda command: command.build_id,
    commands=build_commands.BuildCommand.__args__,
    creating=(build_commands.SubmitBuild,),
)
KEYS = Aggregate(
    prefix="key",
    decide=access.decide,
    evolve=access_state.evolve,
    key=lambda command: command.key_id,
    commands=(
        access_commands.CreateKey,
        access_commands.RevokeKey,
        access_commands.EraseKeyLabel,
    ),
    creating=(access_commands.CreateKey,),
)
ATTEMPTS = Aggregate(
    prefix="attempt",
    decide=access.decide,
    evolve=access_state.evolve,
    key=lambda command: command.attempt_id,
    commands=(access_commands.RecordAuthenticationFailure, access_commands.RecordPermissionDenial),
    creating=(access_commands.RecordAuthenticationFailure, access_commands.RecordPermissionDenial),
)
ENGINES = Aggregate(
    prefix="engine",
    decide=engines.decide,
    evolve=engines.evolve,
    key=lambda command: command.engine_id,
    commands=engine_commands.EngineCommand.__args__,
)
BINDING = Aggregate(
    prefix="binding",
    decide=binding.decide,
    evolve=binding.evolve,
    key=lambda _: binding.ENGINE,
    commands=engine_commands.BindingCommand.__args__,
)
LOG = Aggregate(
    prefix="log",
    decide=log.decide,
    evolve=log.evolve,
    key=lambda command: command.restore_id,
    commands=(log_commands.RecordLogRestored,),
    creating=(log_commands.RecordLogRestored,),
)

COLLECTIONS = Aggregate(
    prefix="collection",
    decide=storage.decide,
    evolve=storage.evolve,
    key=lambda command: command.collection_id,
    commands=(storage_commands.RecordBlobsCollected,),
    creating=(storage_commands.RecordBlobsCollected,),
)
PROJECTIONS = Aggregate(
    prefix="projection",
    decide=read_models.decide,
    evolve=read_models.evolve,
    key=lambda command: command.name,
    commands=read_model_commands.ReadModelCommand.__args__,
)

AGGREGATES = (
    CONTAINERS, BUILDS, KEYS, ATTEMPTS, ENGINES, BINDING, LOG, COLLECTIONS, PROJECTIONS,
)  # fmt: skip

_BY_COMMAND = {command: aggregate for aggregate in AGGREGATES for command in aggregate.commands}
_BY_PREFIX = {aggregate.prefix: aggregate for aggregate in AGGREGATES}


def aggregate_of(command: Command) -> Aggregate:
    return _BY_COMMAND[type(command)]


def aggregate_named(prefix: str) -> Aggregate | None:
    return _BY_PREFIX.get(prefix)
