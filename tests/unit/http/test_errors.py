import inspect

import msgspec
import pytest

from api.http import errors as e
from domain import errors as domain_errors
from projections import errors as projection_errors

INSIDE = (
    domain_errors.EngineError,
    domain_errors.LogClosed,
    domain_errors.LogIncomplete,
    domain_errors.BlobsOfAnother,
)
"""Never met by a request: engines are called, logs written and blobs collected by workers."""
VAULT = (domain_errors.SecretMissing, domain_errors.SecretUnreadable)
ABSTRACT = (domain_errors.DomainError, *VAULT)


def errors_of(module: object) -> list[type[Exception]]:
    found = [kind for _, kind in inspect.getmembers(module, inspect.isclass)]
    return [kind for kind in found if issubclass(kind, domain_errors.DomainError)]


@pytest.mark.parametrize(
    "kind", [*errors_of(domain_errors), *errors_of(projection_errors)], ids=lambda k: k.__name__
)
def test_every_error_a_request_can_meet_has_a_problem(kind: type[Exception]) -> None:
    foreseen = not issubclass(kind, INSIDE) and kind not in ABSTRACT
    rejected = e.rejection_of(_an(kind))
    assert (rejected is not None) == foreseen
    if rejected is not None:
        assert rejected.detail


def _an(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, "what to do")
    if isinstance(error, domain_errors.Refusal):
        error.rule, error.state, error.advice = "rule", "state", "what to do"
    return error


def test_a_problem_is_what_rfc_9457_says() -> None:
    rejected = e.Rejected(e.REFUSED_STATE, "Stop it first.", rule="r", state="running")
    response = e.problem_response(rejected, instance="/v1/containers/1")
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    assert msgspec.json.decode(response.body) == {
        "type": "urn:eulermaker:problem:refused-state",
        "title": "The present state forbids the command",
        "status": 409,
        "detail": "Stop it first.",
        "instance": "/v1/containers/1",
        "rule": "r",
        "state": "running",
    }


def test_what_passes_by_itself_says_when_to_come_back() -> None:
    rejected = e.Rejected(e.STORE_UNAVAILABLE, "Later.")
    assert e.problem_response(rejected, instance="/").headers["Retry-After"] == "2"
