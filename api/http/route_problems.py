"""What may go wrong with the routes of each kind, besides what may go wrong everywhere."""

from api.http import errors as e

COMMAND = (e.COMMAND_ID_REUSED, e.ILLEGAL_HEADER, e.STORE_OVERLOADED)
CHANGE = (*COMMAND, e.UNKNOWN_ID, e.REFUSED_STATE, e.STALE_VERSION, e.CONCURRENT_CHANGE)
READ = (e.PROJECTION_BEHIND,)
PAGE = (*READ, e.INVALID_CURSOR)
ONE = (*READ, e.UNKNOWN_ID, e.FUTURE_POSITION)
