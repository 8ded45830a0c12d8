"""What a route is. Its permission has no default, so that none can be forgotten.

What it takes and gives is read from its handler's signature: there is one place that says it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

from aiohttp import web

from api.http.call import Answered, Call
from api.http.errors import ProblemType
from domain.access.roles import Permission

Method = Literal["GET", "POST", "DELETE"]
Handler = Callable[[Any], Awaitable[Answered[Any] | web.StreamResponse]]


class Public(Enum):
    """For everybody, without a key."""

    PUBLIC = "public"


PUBLIC = Public.PUBLIC


@dataclass(frozen=True, kw_only=True)
class Route:
    """raw_body: the handler reads it. media_type: of the answer.

    ticket: a one-time ticket in the query will do instead of a key.
    problems: what may go wrong besides what `problems_of` adds to it.
    """

    method: Method
    path: str
    permission: Permission | Public
    handler: Handler
    summary: str
    status: int = 200
    raw_body: bool = False
    media_type: str = "application/json"
    ticket: bool = False
    problems: tuple[ProblemType, ...] = ()

    @property
    def operation_id(self) -> str:
        return self.handler.__name__.lstrip("_")

    @cached_property
    def query(self) -> Any:
        return self._request_types[0]

    @cached_property
    def body(self) -> Any:
        return self._request_types[1]

    @cached_property
    def result(self) -> Any:
        """None where the handler writes its answer itself."""
        returned = get_type_hints(self.handler)["return"]
        for kind in (returned, *get_args(returned)):
            if get_origin(kind) is Answered:
                return get_args(kind)[0]
        return None

    @cached_property
    def _request_types(self) -> tuple[Any, Any]:
        hints = get_type_hints(self.handler)
        call = next(hint for name, hint in hints.items() if name != "return")
        if get_origin(call) is not Call:
            raise TypeError(f"{self.handler.__name__} does not take a Call")
        query, body = get_args(call)
        return query, body
