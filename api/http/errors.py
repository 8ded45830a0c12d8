"""The one table from errors to RFC 9457 problem details: type, status, title.

Titles are constant; details say what to do.
"""

from typing import Any

import msgspec
from aiohttp import web

from domain import errors as d
from projections import errors as p

MEDIA_TYPE = "application/problem+json"
URN = "urn:eulermaker:problem:"


class ProblemType(msgspec.Struct, frozen=True, kw_only=True):
    """retry_after: seconds, for what passes by itself."""

    name: str
    status: int
    title: str
    retry_after: int | None = None


TABLE: dict[str, ProblemType] = {}


def _problem(status: int, name: str, title: str, *, retry_after: int | None = None) -> ProblemType:
    TABLE[name] = ProblemType(name=name, status=status, title=title, retry_after=retry_after)
    return TABLE[name]


MALFORMED_JSON = _problem(400, "malformed-json", "The body is not JSON")
WRONG_TYPE = _problem(400, "wrong-type", "A value has the wrong type")
UNKNOWN_FIELD = _problem(400, "unknown-field", "A field is not known")
MISSING_FIELD = _problem(400, "missing-field", "A field is missing")
ILLEGAL_NAME = _problem(400, "illegal-name", "A name has an illegal form")
ILLEGAL_VALUE = _problem(400, "illegal-value", "A value is outside of what is allowed")
ILLEGAL_HEADER = _problem(400, "illegal-header", "A header has an illegal form")
INVALID_CURSOR = _problem(400, "invalid-cursor", "The page cursor is not one of this list")
TRUNCATED_BODY = _problem(400, "truncated-body", "The body ended before its announced length")
BAD_REQUEST = _problem(400, "bad-request", "The request cannot be understood")
UNAUTHENTICATED = _problem(401, "unauthenticated", "No valid key was shown")
FORBIDDEN = _problem(403, "forbidden", "The key's role does not permit this")
FOREIGN_ORIGIN = _problem(403, "foreign-origin", "This origin may not connect")
UNKNOWN_ROUTE = _problem(404, "unknown-route", "There is no such address")
UNKNOWN_ID = _problem(404, "unknown-id", "There is nothing of this id")
METHOD_NOT_ALLOWED = _problem(405, "method-not-allowed", "The address does not know this method")
BODY_TIMEOUT = _problem(408, "body-timeout", "The body came too slowly")
REFUSED_STATE = _problem(409, "refused-state", "The present state forbids the command")
CONCURRENT_CHANGE = _problem(409, "concurrent-change", "Others kept changing it", retry_after=1)
NOT_READY = _problem(409, "projection-not-ready", "The projection cannot be used for this yet")
STALE_VERSION = _problem(412, "stale-version", "It has changed since it was read")
BODY_TOO_LARGE = _problem(413, "body-too-large", "The body is too large")
CONTEXT_TOO_LARGE = _problem(413, "context-too-large", "The build context is too large")
UNSUPPORTED_MEDIA_TYPE = _problem(415, "unsupported-media-type", "The media type is wrong")
MISSING_CONTENT = _problem(422, "missing-content", "Content that the request names is not here")
WRONG_SIZE = _problem(422, "wrong-size", "Content has another size than the request says")
BROKEN_ARCHIVE = _problem(422, "broken-archive", "The build context cannot be used")
UNKNOWN_IMAGE = _problem(422, "unknown-image", "The image does not exist")
BEYOND_THE_MACHINE = _problem(422, "beyond-the-machine", "The engine's machine has less")
AMBIGUOUS_VARIABLE = _problem(422, "ambiguous-variable", "A variable is given twice")
COMMAND_ID_REUSED = _problem(422, "command-id-reused", "The idempotency key is taken")
FUTURE_POSITION = _problem(422, "future-position", "The log has not got there yet")
TOO_MANY_REQUESTS = _problem(429, "too-many-requests", "Too many requests", retry_after=1)
INTERNAL = _problem(500, "internal", "The service failed")
DAMAGED_CONTENT = _problem(500, "damaged-content", "Stored content is damaged")
STORE_UNAVAILABLE = _problem(503, "store-unavailable", "The log cannot be reached", retry_after=2)
STORE_OVERLOADED = _problem(503, "store-overloaded", "Too many commands wait", retry_after=1)
PROJECTION_BEHIND = _problem(503, "projection-behind", "The read model lags", retry_after=1)
NOT_YET_READY = _problem(503, "not-ready", "The service waits for a part of it", retry_after=2)


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer that is not a success.

    path: where in the request. rule, state: which rule forbade it in which state.
    waits_for: the parts of the service that are not ready.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str = ""
    path: str = ""
    rule: str = ""
    state: str = ""
    permission: str = ""
    waits_for: dict[str, str] = {}


class Rejected(Exception):
    """A handler's way to answer with a problem. members: further fields of `Problem`."""

    def __init__(self, kind: ProblemType, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.members = members
        self.retry_after: float | None = kind.retry_after


_KINDS: tuple[tuple[type[Exception], ProblemType], ...] = (
    (d.UnknownStream, UNKNOWN_ID),
    (d.ConcurrencyConflict, CONCURRENT_CHANGE),
    (d.CommandIdReused, COMMAND_ID_REUSED),
    (d.StoreUnavailable, STORE_UNAVAILABLE),
    (d.StoreOverloaded, STORE_OVERLOADED),
    (d.BlobMissing, UNKNOWN_ID),
    (d.BlobDamaged, DAMAGED_CONTENT),
    (d.BlobTooLarge, BODY_TOO_LARGE),
    (p.ProjectionBehind, PROJECTION_BEHIND),
    (p.InvalidCursor, INVALID_CURSOR),
    (p.UnknownProjection, UNKNOWN_ID),
    (p.ProjectionNotReady, NOT_READY),
)
_OTHER_WORDS = {
    "store-unavailable": "Ask again when the service is back. Whether a command was recorded is "
    "not known: send it with the same Idempotency-Key.",
    "command-id-reused": "This Idempotency-Key was used for another request. Choose a new one.",
    "store-overloaded": "Nothing was recorded: send it again a little later.",
}


def rejection_of(error: Exception) -> Rejected | None:
    """The problem that an error stands for; None for what nobody foresaw."""
    if isinstance(error, Rejected):
        return error
    if isinstance(error, d.Refusal):
        return Rejected(REFUSED_STATE, error.advice, rule=error.rule, state=error.state)
    if isinstance(error, web.HTTPException):
        return _of_framework(error)
    for kind, problem in _KINDS:
        if isinstance(error, kind):
            return Rejected(problem, _OTHER_WORDS.get(problem.name) or str(error))
    return None


def problem_response(rejected: Rejected, *, instance: str) -> web.Response:
    kind = rejected.kind
    problem = Problem(
        type=URN + kind.name,
        title=kind.title,
        status=kind.status,
        detail=rejected.detail,
        instance=instance,
        **rejected.members,
    )
    response = web.Response(
        status=kind.status, body=msgspec.json.encode(problem), content_type=MEDIA_TYPE
    )
    if rejected.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, round(rejected.retry_after + 0.5)))
    if kind is UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="eulermaker"'
    return response


def _of_framework(error: web.HTTPException) -> Rejected | None:
    if isinstance(error, web.HTTPNotFound):
        return Rejected(UNKNOWN_ROUTE, "There is nothing here. /v1/openapi.json lists what is.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Rejected(METHOD_NOT_ALLOWED, f"{error.method} is not known here. Known: {allowed}.")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Rejected(BODY_TOO_LARGE, "Send at most 256 KiB of JSON; files go to /v1/blobs.")
    if isinstance(error, web.HTTPClientError):
        return Rejected(BAD_REQUEST, error.reason)
    return None
