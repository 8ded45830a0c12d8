"""Exit statuses. The first five are a build's outcome (`--follow`); the others follow sysexits.h,
so that a script never takes our trouble for the build's."""

from domain.builds.state import Phase

OUTCOMES = {
    Phase.SUCCEEDED: 0,
    Phase.FAILED: 1,
    Phase.ERRORED: 2,
    Phase.TIMED_OUT: 3,
    Phase.CANCELLED: 4,
}
USAGE = 64
REFUSED = 65
UNAVAILABLE = 69
NOT_ALLOWED = 77
INTERRUPTED = 130
