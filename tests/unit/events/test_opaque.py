"""Whatever bytes the log holds can be read, and shown."""

import base64

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api.http.event_views import opaque_json
from domain.catalog import EVENT_TYPES
from domain.event import OpaqueEvent

NO_UNICODE = b'"\xff\xfe"'
NO_UNICODE_IN_A_FIELD = b'{"build_id":"\xff\xfe"}'
KNOWN = "BuildCancelled"


@given(st.binary(max_size=60))
@example(NO_UNICODE)
@example(NO_UNICODE_IN_A_FIELD)
def test_unreadable_data_of_a_known_type_is_carried_as_it_is(data: bytes) -> None:
    event = EVENT_TYPES.decode(KNOWN, 1, data)
    assert event == OpaqueEvent(raw=data)


@given(st.binary(max_size=60))
@example(NO_UNICODE)
def test_any_bytes_are_shown_as_json_that_gives_them_back(data: bytes) -> None:
    shown = opaque_json(data)
    said = msgspec.json.decode(shown)
    assert shown == data or base64.b64decode(said) == data


@pytest.mark.parametrize("data", [b'{"build_id":"b-1"}', b'"text"', b"[1, 2]", b"null"])
def test_json_is_shown_as_it_is(data: bytes) -> None:
    assert opaque_json(data) == data
