"""Whatever bytes the log holds can be read, and shown."""

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from api.http.event_views import opaque_json
from domain.catalog import EVENT_TYPES
from domain.event import OpaqueEvent

NO_UNICODE = b'"\xff\xfe"'
KNOWN = "BuildCancelled"


@given(st.binary(max_size=60))
@example(NO_UNICODE)
def test_unreadable_data_of_a_known_type_is_carried_as_it_is(data: bytes) -> None:
    event = EVENT_TYPES.decode(KNOWN, 1, data)
    assert event == OpaqueEvent(raw=data)


@given(st.binary(max_size=60))
@example(NO_UNICODE)
@example(b'{"build_id":"b-1"}')
def test_any_bytes_are_shown_as_json(data: bytes) -> None:
    msgspec.json.decode(opaque_json(data))
