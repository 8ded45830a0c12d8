"""What may go wrong with a route: by what it is, by its kind, and what it adds by itself."""

from api.http import errors as e
from api.http.route import PUBLIC, Route

EVERYWHERE = (e.WRONG_TYPE, e.UNAUTHENTICATED, e.FORBIDDEN, e.TOO_MANY_REQUESTS, e.INTERNAL)
FOR_KEYS = (e.STORE_UNAVAILABLE,)
WITH_BODY = (e.BODY_TOO_LARGE, e.UNSUPPORTED_MEDIA_TYPE, e.BODY_TIMEOUT, e.TRUNCATED_BODY)

COMMAND = (e.COMMAND_ID_REUSED, e.ILLEGAL_HEADER, e.STORE_OVERLOADED)
CHANGE = (*COMMAND, e.UNKNOWN_ID, e.REFUSED_STATE, e.STALE_VERSION, e.CONCURRENT_CHANGE)
READ = (e.PROJECTION_BEHIND,)
PAGE = (*READ, e.INVALID_CURSOR)
ONE = (*READ, e.UNKNOWN_ID, e.FUTURE_POSITION)


def problems_of(route: Route) -> tuple[e.ProblemType, ...]:
    """A key is looked up in the log; the body of a POST is read even where none is wanted."""
    for_keys = () if route.permission is PUBLIC else FOR_KEYS
    with_body = WITH_BODY if route.method == "POST" else ()
    return (*EVERYWHERE, *for_keys, *with_body, *route.problems)
