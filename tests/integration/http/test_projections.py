"""What readers see is not changed unseen: rebuilds and switches are commands with events."""

from typing import Any

from tests.integration.http.support import Service, problem, run


async def recorded(service: Service, name: str = "audit") -> list[tuple[str, str]]:
    stream = await service.store.read_stream("default", f"projection-{name}")
    return [(each.type, each.actor) for each in stream]


async def body_of(service: Service, path: str, body: Any, key: str) -> Any:
    return await service.post(f"/v1/projections/audit/{path}", body, key=key)


def test_a_switch_is_recorded_with_who_did_it_and_both_versions() -> None:
    async def story(service: Service) -> None:
        await body_of(service, "switch", {"version": 2}, "switch-to-2")
        assert await recorded(service) == [
            ("ProjectionSwitchRequested", "key:key-admin"),
            ("ProjectionSwitched", "key:key-admin"),
        ]
        audited = (await service.get("/v1/audit"))["items"]
        assert {row["command"] for row in audited} >= {
            "SwitchProjection", "RecordProjectionSwitched",
        }  # fmt: skip

    run(story)


def test_a_rebuild_asked_for_twice_with_one_key_is_begun_once() -> None:
    async def story(service: Service) -> None:
        first = await body_of(service, "rebuild", {}, "rebuild-audit")
        service.projections.next_version = 3
        assert await body_of(service, "rebuild", {}, "rebuild-audit") == first
        assert [kind for kind, _ in await recorded(service)] == [
            "ProjectionRebuildRequested",
            "ProjectionRebuildBegun",
        ]

    run(story)


def test_a_switch_asked_for_twice_with_one_key_is_made_once() -> None:
    async def story(service: Service) -> None:
        for _ in range(2):
            await body_of(service, "switch", {"version": 2}, "switch-to-2")
        assert service.projections.switched == [("audit", 2)]

    run(story)


def test_a_switch_that_was_not_made_shows_as_a_request_and_may_be_asked_for_again() -> None:
    async def story(service: Service) -> None:
        service.projections.ready = False
        headers = {"Idempotency-Key": "switch-to-2"}
        response = await service.call(
            "POST", "/v1/projections/audit/switch", {"version": 2}, headers=headers
        )
        assert await problem(response) == (409, "projection-not-ready")
        assert [kind for kind, _ in await recorded(service)] == ["ProjectionSwitchRequested"]
        service.projections.ready = True
        await body_of(service, "switch", {"version": 2}, "switch-to-2")
        assert service.projections.switched == [("audit", 2)]

    run(story)


def test_an_unknown_read_model_is_no_aggregate() -> None:
    async def story(service: Service) -> None:
        response = await service.call("POST", "/v1/projections/none/switch", {"version": 2})
        assert await problem(response) == (404, "unknown-id")
        detail = (await response.json())["detail"]
        assert detail.endswith("Known are containers, builds, audit, statistics, keys.")
        assert await recorded(service, "none") == []

    run(story)
