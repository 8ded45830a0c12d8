"""The engine's JSON, as far as we read it, and how it becomes the port's types."""

from datetime import UTC, datetime
from ipaddress import IPv4Network

import msgspec

from domain.ports import EngineContainer, EngineEvent, EngineImage

ENDED = frozenset({"exited", "dead"})
OURS = "io.eulermaker."
_NEVER = "0001-01-01"


class ContainerState(msgspec.Struct, rename="pascal"):
    status: str
    exit_code: int = 0
    out_of_memory: bool = msgspec.field(default=False, name="OOMKilled")
    error: str = ""
    started_at: str = _NEVER
    finished_at: str = _NEVER


class ContainerConfig(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class ContainerReply(msgspec.Struct, rename="pascal"):
    id: str
    name: str
    image: str
    created: str
    state: ContainerState
    config: ContainerConfig


class ListedContainer(msgspec.Struct, rename="pascal"):
    id: str
    names: list[str] | None = None

    @property
    def name(self) -> str:
        """Its own, not one of those by which others are linked to it (`/other/alias`)."""
        own = (name[1:] for name in self.names or () if name.count("/") == 1)
        return next(own, self.id)


class ImageConfigReply(msgspec.Struct, rename="pascal"):
    labels: dict[str, str] | None = None


class ImageReply(msgspec.Struct, rename="pascal"):
    id: str
    repo_tags: list[str] | None = None
    architecture: str = ""
    size: int = 0
    config: ImageConfigReply | None = None


class CreatedReply(msgspec.Struct, rename="pascal"):
    id: str


class ProgressReply(msgspec.Struct):
    """One line of a pull or a classic build. aux: a finished image."""

    stream: str = ""
    status: str = ""
    error: str = ""
    aux: dict[str, object] = {}


class SubnetReply(msgspec.Struct, rename="pascal"):
    subnet: str = ""


class AddressesReply(msgspec.Struct, rename="pascal"):
    config: list[SubnetReply] | None = None


class NetworkReply(msgspec.Struct, rename="pascal"):
    id: str
    name: str
    created: str
    labels: dict[str, str] | None = None
    addresses: AddressesReply | None = msgspec.field(default=None, name="IPAM")

    @property
    def subnets(self) -> list[IPv4Network]:
        known = (self.addresses.config if self.addresses else None) or []
        texts = (each.subnet for each in known)
        return [IPv4Network(text, strict=False) for text in texts if text and ":" not in text]


class VersionReply(msgspec.Struct, rename="pascal"):
    api_version: str


class InfoReply(msgspec.Struct, rename="pascal"):
    id: str = msgspec.field(name="ID")
    name: str
    server_version: str
    processors: int = msgspec.field(name="NCPU")
    memory_bytes: int = msgspec.field(name="MemTotal")


class EventActor(msgspec.Struct, rename="pascal"):
    attributes: dict[str, str] = {}


class EventReply(msgspec.Struct, rename="pascal"):
    action: str
    actor: EventActor
    nanoseconds: int = msgspec.field(name="timeNano")


def container(body: bytes) -> EngineContainer:
    reply = msgspec.json.decode(body, type=ContainerReply)
    state = reply.state
    ended = state.status in ENDED
    started_at = moment(state.started_at)
    return EngineContainer(
        engine_id=reply.id,
        name=reply.name.removeprefix("/"),
        image_id=reply.image,
        status=state.status,
        labels=reply.config.labels or {},
        exit_code=state.exit_code if ended else None,
        out_of_memory=state.out_of_memory,
        created_at=moment(reply.created),
        started_at=started_at,
        # While it runs again, the engine still shows the end of the run before.
        finished_at=_end(started_at, moment(state.finished_at)) if ended else None,
        error=state.error,
    )


def _end(started_at: datetime | None, finished_at: datetime | None) -> datetime | None:
    """The engine notes a start when it learns of it: a program may have ended before that."""
    if started_at is None or finished_at is None:
        return finished_at
    return max(started_at, finished_at)


def image(body: bytes) -> EngineImage:
    reply = msgspec.json.decode(body, type=ImageReply)
    return EngineImage(
        image_id=reply.id,
        tags=tuple(reply.repo_tags or ()),
        architecture=reply.architecture,
        size=reply.size,
        labels=(reply.config.labels if reply.config else None) or {},
    )


def event(line: bytes) -> EngineEvent:
    reply = msgspec.json.decode(line, type=EventReply)
    attributes = reply.actor.attributes
    return EngineEvent(
        container=attributes.get("name", ""),
        action=_without_command_line(reply.action),
        at=datetime.fromtimestamp(reply.nanoseconds / 1e9, tz=UTC),
        labels={key: value for key, value in attributes.items() if key.startswith(OURS)},
    )


def moment(text: str) -> datetime | None:
    """The engine counts in nanoseconds, we in microseconds; its zero time means never."""
    if not text or text.startswith(_NEVER):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _without_command_line(action: str) -> str:
    """`exec_create: mysql -psecret` tells secrets to everybody who sees events."""
    return action.partition(":")[0] if action.startswith("exec_") else action
