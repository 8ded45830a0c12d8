"""The engine that the installation is bound to, and the deliberate change to another one."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.http.call import Accepted, Answered, Call, entity_tag
from api.http.decoding import Nothing
from domain.application.aggregates import BINDING
from domain.engines.binding import ENGINE, Binding, KnownEngine
from domain.engines.commands import RebindEngine


class EngineView(msgspec.Struct, frozen=True, kw_only=True):
    """bound: None as long as no engine was reached.

    foreign: the engine that answered last, where it is not the bound one; nothing is done to it.
    version: of the stream, for If-Match.
    """

    bound: KnownEngine | None
    foreign: KnownEngine | None
    version: int


class RebindRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """engine_id: of the foreign engine, so that nobody binds another one than was looked at."""

    engine_id: Annotated[str, Meta(min_length=1, max_length=200)]


async def get_engine(call: Call[Nothing, Nothing]) -> Answered[EngineView]:
    loaded = await call.parts.handler.load(BINDING, call.tenant, ENGINE)
    binding: Binding | None = loaded.state
    view = EngineView(
        bound=binding.bound if binding else None,
        foreign=binding.foreign if binding else None,
        version=loaded.version,
    )
    return Answered(body=view, headers={"ETag": entity_tag(loaded.version)})


async def rebind_engine(call: Call[Nothing, RebindRequest]) -> Answered[Accepted]:
    return await call.accept(RebindEngine(engine_id=call.body.engine_id), ENGINE, "/v1/engine")
