from typing import Any

import msgspec
import pytest

from api.http.builds import BuildsQuery
from api.http.decoding import Nothing, decode_query, invalid
from api.http.errors import Rejected
from domain.builds.spec import BuildSpec
from domain.containers.spec import ContainerSpec, Limits


def refused(body: bytes) -> Rejected:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=ContainerSpec)
    return invalid(caught.value, ContainerSpec)


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


@pytest.mark.parametrize(
    ("wanted", "value", "words"),
    [
        (
            Limits,
            {"mem": 1},
            "There is no field `mem` here. Known: memory_bytes, cpu_millis, pids. Correct it.",
        ),
        (
            ContainerSpec,
            {"limits": {"mem": 1}},
            "There is no field `mem` in `limits`. Known: memory_bytes, cpu_millis, pids.",
        ),
        (
            BuildSpec,
            {"name": "a", "source": {"type": "rpm", "context": 1}},
            "There is no field `context` in `source`. Known: with type rpm: spec, sources, ",
        ),
        (
            BuildSpec,
            {"source": {"type": "rpm", "sources": [{"path": ""}]}},
            "There is no field `path` in `source.sources[0]`. Known: name, digest, size.",
        ),
        (Nothing, {"force": 1}, "There is no field `force` here. Known: none."),
        (ContainerSpec, {"name": "a"}, "Object missing required field `image`. Correct it."),
        (
            BuildSpec,
            {"name": "a", "source": {"type": "deb"}},
            "Invalid value 'deb' (at $.source.type). Known: rpm, image. Correct it.",
        ),
        (
            ContainerSpec,
            {"network": "host"},
            "Invalid enum value 'host' (at $.network). Known: isolated, none. Correct it.",
        ),
        (
            BuildsQuery,
            {"phase": "happy"},
            "Invalid enum value 'happy' (at $.phase). Known: submitted, ",
        ),
    ],
)
def test_words_name_the_place_and_what_is_known_there(
    wanted: Any, value: object, words: str
) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(value, wanted)
    assert invalid(caught.value, wanted).detail.startswith(words)


def test_a_query_takes_text_for_numbers_and_refuses_what_it_does_not_know() -> None:
    class Query(msgspec.Struct, forbid_unknown_fields=True):
        limit: int = 1
        force: bool = False

    assert decode_query({"limit": "2", "force": "true"}, Query) == Query(limit=2, force=True)
    with pytest.raises(Rejected) as caught:
        decode_query({"limit": "2"}, Nothing)
    assert caught.value.kind.name == "unknown-field"
