import msgspec
import pytest

from api.http.decoding import Nothing, decode_query, invalid
from api.http.errors import Rejected
from domain.containers.spec import ContainerSpec


def refused(body: bytes) -> Rejected:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=ContainerSpec)
    return invalid(caught.value)


@pytest.mark.parametrize(
    ("body", "name", "path"),
    [
        (b'{"name":"A","image":"x"}', "illegal-name", "$.name"),
        (b'{"name":"a","image":"X"}', "illegal-value", "$.image"),
        (b'{"name":"a","image":"x","labels":{"A B":""}}', "illegal-name", "key in $.labels"),
        (
            b'{"name":"a","image":"x","labels":{"io.eulermaker.step":""}}',
            "illegal-name",
            "key in $.labels",
        ),
        (b'{"name":"a","image":"x","network":"host"}', "illegal-value", "$.network"),
        (b'{"name":"a","image":"x","limits":{"pids":0}}', "illegal-value", "$.limits.pids"),
        (b'{"name":"a","image":"x","mounts":[]}', "unknown-field", "$"),
        (b'{"name":"a"}', "missing-field", "$"),
        (b'{"name":"a","image":1}', "wrong-type", "$.image"),
        (b"[]", "wrong-type", "$"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(body: bytes, name: str, path: str) -> None:
    rejected = refused(body)
    assert (rejected.kind.name, rejected.members["path"]) == (name, path)


def test_a_query_takes_text_for_numbers_and_refuses_what_it_does_not_know() -> None:
    class Query(msgspec.Struct, forbid_unknown_fields=True):
        limit: int = 1
        force: bool = False

    assert decode_query({"limit": "2", "force": "true"}, Query) == Query(limit=2, force=True)
    with pytest.raises(Rejected) as caught:
        decode_query({"limit": "2"}, Nothing)
    assert caught.value.kind.name == "unknown-field"
