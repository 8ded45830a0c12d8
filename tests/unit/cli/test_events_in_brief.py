"""One line an event: what tells it from others of its type, and nothing that could do harm."""

from datetime import UTC, datetime

import msgspec

from api.cli.history import brief
from api.cli.wire import EventView


def an_event(content: object) -> EventView:
    return EventView(
        position=1,
        stream="build-1",
        version=1,
        type="BuildFailed",
        recorded_at=datetime(2026, 1, 31, tzinfo=UTC),
        actor="key:1",
        data=msgspec.Raw(msgspec.json.encode(content)),
    )


def test_it_names_step_exit_code_and_reason() -> None:
    event = an_event({"attempt": 2, "step": "rpmbuild", "exit_code": 1, "reason": "no", "x": {}})
    assert brief(event) == "attempt=2 step=rpmbuild exit_code=1 reason=no"


def test_it_names_artifacts() -> None:
    event = an_event({"artifacts": [{"name": "a.rpm", "size": 1}, {"name": "b.rpm"}]})
    assert brief(event) == "a.rpm, b.rpm"


def test_what_a_build_wrote_cannot_command_the_terminal() -> None:
    assert "\x1b" not in brief(an_event({"reason": "\x1b[2Jgone"}))


def test_an_event_that_cannot_be_read_is_told_by_its_type_alone() -> None:
    assert brief(an_event("c2VhbGVk")) == ""
    assert brief(an_event({"name": {"nested": True}})) == ""


def test_an_event_of_a_newer_release_is_told_as_far_as_it_is_understood() -> None:
    assert brief(an_event({"step": "publish", "attempt": 1})) == "attempt=1 step=publish"
