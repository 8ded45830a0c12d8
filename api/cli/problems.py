"""What went wrong between us and the service, as a sentence and an exit status."""

import click
import msgspec

from api.cli import exits
from api.cli.output import terminal_safe

UNAUTHENTICATED = 401
FORBIDDEN = 403
TOO_MANY = 429
SERVER_ERROR = 500
KEY_ADVICE = (
    "Here: set EULERMAKER_KEY to it, or unset it, for the admin key of a service started here."
)
REFUSED_STATE = "urn:eulermaker:problem:refused-state"
STALE_VERSION = "urn:eulermaker:problem:stale-version"
UNKNOWN_ID = "urn:eulermaker:problem:unknown-id"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457, as far as people need it."""

    type: str = "about:blank"
    title: str = ""
    status: int = 0
    detail: str = ""
    state: str = ""


class ServiceRefused(click.ClickException):
    """The service answered, and said no."""

    exit_code = exits.REFUSED

    def __init__(self, problem: Problem) -> None:
        text = problem.detail or problem.title or f"The service answered {problem.status}."
        super().__init__(terminal_safe(text))
        self.problem = problem

    @property
    def is_unknown_id(self) -> bool:
        """Nothing is there of that id; or the read model that would tell is behind."""
        return self.problem.type == UNKNOWN_ID

    def with_advice(self, advice: str) -> "ServiceRefused":
        """What to do about it on this command line, which the service does not know."""
        detail = f"{self.message} {advice}"
        return type(self)(msgspec.structs.replace(self.problem, detail=detail))


class NotAllowed(ServiceRefused):
    exit_code = exits.NOT_ALLOWED


class NotNow(ServiceRefused):
    """It may say yes another time."""

    exit_code = exits.UNAVAILABLE


class DatabaseUnavailable(click.ClickException):
    """It may answer another time."""

    exit_code = exits.UNAVAILABLE


class ServiceUnreachable(click.ClickException):
    exit_code = exits.UNAVAILABLE

    def __init__(self, address: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{address} does not answer: {reason}. Is the service running (`eulermaker up`,"
            " `eulermaker doctor`)? Another address is named by --server or EULERMAKER_URL."
        )


class ReadModelBehind(click.ClickException):
    """What was followed has ended, and the read model does not tell how."""

    exit_code = exits.UNAVAILABLE

    def __init__(self, command: str) -> None:
        super().__init__(
            "It has ended, but the read models do not show it yet: is the project role running"
            f" (`eulermaker projections list`)? Ask again later: {command}"
        )


def read_problem(status: int, body: bytes) -> Problem:
    """Also of answers that are no problem details: of a proxy, for example."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        text = body[:200].decode(errors="replace").strip()
        return Problem(status=status, detail=f"The service answered {status}: {text}")
    return msgspec.structs.replace(problem, status=status)


def refusal(problem: Problem) -> ServiceRefused:
    if problem.status == UNAUTHENTICATED:
        return NotAllowed(problem).with_advice(KEY_ADVICE)
    if problem.status == FORBIDDEN:
        return NotAllowed(problem)
    if problem.status >= SERVER_ERROR or problem.status == TOO_MANY:
        return NotNow(problem)
    return ServiceRefused(problem)
