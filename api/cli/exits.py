"""Exit statuses. 0 to 4 are a build's outcome (`build_follow.OUTCOMES`); these follow sysexits.h,
so that a script never takes our trouble for the build's."""

USAGE = 64
REFUSED = 65
UNAVAILABLE = 69
CANNOT_CREATE = 73
IO_ERROR = 74
NOT_ALLOWED = 77
INTERRUPTED = 130
