"""The binding to an engine over HTTP: shown, waited for, changed on purpose and by admins only."""

import pytest

from api.http_parts import engine_is_ours
from api.readiness import ENGINE_PART
from domain.access.roles import Role
from domain.engines.commands import MeetEngine
from tests.integration.http.support import Service, problem, run

BOUND = MeetEngine(engine_id="engine-1", name="node")
FOREIGN = MeetEngine(engine_id="engine-2", name="other")


def test_the_bound_engine_and_a_foreign_one_are_shown() -> None:
    async def story(service: Service) -> None:
        assert await service.get("/v1/engine") == {"bound": None, "foreign": None, "version": 0}
        await service.command(BOUND)
        await service.command(FOREIGN)
        shown = await service.get("/v1/engine", role=Role.OPERATOR)
        assert shown["bound"] == {"engine_id": "engine-1", "name": "node"}
        assert shown["foreign"] == {"engine_id": "engine-2", "name": "other"}

    run(story)


def test_an_admin_rebinds_to_the_foreign_engine_and_it_is_audited() -> None:
    async def story(service: Service) -> None:
        await service.command(BOUND)
        await service.command(FOREIGN)
        accepted = await service.post("/v1/engine/rebind", {"engine_id": "engine-2"})
        assert accepted["version"] == 3
        shown = await service.get("/v1/engine")
        assert (shown["bound"]["engine_id"], shown["foreign"]) == ("engine-2", None)
        deed = (await service.get("/v1/audit"))["items"][0]
        assert (deed["command"], deed["actor"]) == ("RebindEngine", "key:key-admin")

    run(story)


def test_an_operator_may_not_rebind() -> None:
    async def story(service: Service) -> None:
        response = await service.call(
            "POST", "/v1/engine/rebind", {"engine_id": "engine-2"}, role=Role.OPERATOR
        )
        assert await problem(response) == (403, "forbidden")

    run(story)


def test_an_engine_that_does_not_answer_cannot_be_bound() -> None:
    async def story(service: Service) -> None:
        await service.command(BOUND)
        await service.command(FOREIGN)
        response = await service.call("POST", "/v1/engine/rebind", {"engine_id": "engine-3"})
        assert await problem(response) == (409, "refused-state")
        assert "engine-2 (other)" in (await response.json())["detail"]

    run(story)


@pytest.mark.parametrize(("met", "status"), [((), 200), ((BOUND,), 200), ((BOUND, FOREIGN), 503)])
def test_the_service_is_not_ready_on_a_foreign_engine(
    met: tuple[MeetEngine, ...], status: int
) -> None:
    async def story(service: Service) -> None:
        for command in met:
            await service.command(command)
        service.readiness[ENGINE_PART] = engine_is_ours(service.handler)
        response = await service.client.get("/readyz")
        assert response.status == status
        if status == 503:
            reason = (await response.json())["waits_for"][ENGINE_PART]
            assert "eulermaker engine show" in reason
            assert "engine-2" not in reason

    run(story)
