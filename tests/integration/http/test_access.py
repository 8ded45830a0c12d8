"""Default deny: every route, every role; keys, tickets and what is recorded of who fails."""

import asyncio
import re

import msgspec
import pytest

from api.http.route import PUBLIC, Public
from api.http.routes import ROUTES
from domain.access.roles import Permission, Role, permits
from tests.integration.http.support import Service, problem, run

ALLOWED: dict[Role, set[str]] = {
    Role.VIEWER: {"builds:read", "containers:read", "statistics:read"},
    Role.BUILDER: {
        "builds:read",
        "builds:submit",
        "containers:read",
        "events:read",
        "statistics:read",
    },
    Role.OPERATOR: {
        "builds:read",
        "containers:operate",
        "containers:read",
        "engines:read",
        "events:read",
        "statistics:read",
    },
    Role.AUDITOR: {
        "audit:read",
        "builds:read",
        "containers:read",
        "engines:read",
        "events:read",
        "projections:read",
        "statistics:read",
    },
    Role.ADMIN: {permission.value for permission in Permission},
}
"""Written out again on purpose: whoever changes a role changes it twice."""

PUBLIC_PATHS = {"/healthz", "/readyz", "/v1/openapi.json"}
SAMPLE = {"digest": f"sha256:{'0' * 64}"}


def concrete(path: str) -> str:
    return re.sub(r"{(\w+)}", lambda match: SAMPLE.get(match[1], "some-id"), path)


def test_only_these_routes_are_public() -> None:
    assert {route.path for route in ROUTES if route.permission is PUBLIC} == PUBLIC_PATHS


def test_every_route_lets_in_exactly_the_roles_of_its_permission() -> None:
    async def story(service: Service) -> None:
        for route in ROUTES:
            for role in Role:
                response = await service.call(route.method, concrete(route.path), role=role)
                permission = route.permission
                let_in = isinstance(permission, Public) or permission.value in ALLOWED[role]
                assert (response.status != 403) == let_in, (route.path, role, response.status)
                assert response.status not in {401, 500}, (route.path, role)

    run(story)


def test_no_route_answers_without_a_key_unless_it_is_public() -> None:
    async def story(service: Service) -> None:
        for route in ROUTES:
            for method in {route.method, "HEAD" if route.method == "GET" else route.method}:
                response = await service.client.request(method, concrete(route.path))
                expected = 200 if route.path in PUBLIC_PATHS else 401
                assert response.status == expected, (method, route.path)

    run(story)


def test_whatever_the_router_knows_comes_from_the_table() -> None:
    async def story(service: Service) -> None:
        known = {
            (route.method, route.resource.canonical)
            for route in service.client.app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        }
        assert known == {(route.method, route.path) for route in ROUTES}

    run(story)


def test_a_key_that_is_no_unicode_is_refused_like_any_other() -> None:
    async def story(service: Service) -> None:
        reader, writer = await asyncio.open_connection(service.client.host, service.client.port)
        writer.write(
            b"GET /v1/builds HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
            b"Authorization: Bearer \xff\r\n\r\n"
        )
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 401 ")

    run(story)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "missing"),
        ("Basic eDp5", "malformed"),
        ("Bearer em_nonsense", "malformed"),
        (f"Bearer em_stranger_{'0' * 64}", "unknown"),
        (f"Bearer em_key-admin_{'0' * 64}", "wrong-secret"),
    ],
)
def test_a_failed_authentication_is_recorded_without_the_secret(header: str, reason: str) -> None:
    async def story(service: Service) -> None:
        response = await service.client.get("/v1/builds", headers={"Authorization": header})
        assert await problem(response) == (401, "unauthenticated")
        assert "Bearer" in response.headers["WWW-Authenticate"]
        last = (await service.store.read_log(0))[-1]
        assert last.type == "AuthenticationFailed"
        assert msgspec.json.decode(last.data)["reason"] == reason
        assert b"0" * 64 not in last.data

    run(story)


def test_a_denied_permission_is_recorded() -> None:
    async def story(service: Service) -> None:
        response = await service.call("POST", "/v1/keys", {"role": "admin"}, role=Role.BUILDER)
        assert await problem(response) == (403, "forbidden")
        assert (await response.json())["permission"] == "keys:manage"
        row = (await service.get("/v1/audit?outcome=denied"))["items"][0]
        assert (row["actor"], row["source_address"]) == ("key:key-builder", "127.0.0.1")

    run(story)


def test_a_created_key_works_and_its_token_is_shown_once() -> None:
    async def story(service: Service) -> None:
        body = {"role": "viewer", "label": "dashboard"}
        created = await service.post("/v1/keys", body, key="create-key-1")
        again = await service.post("/v1/keys", body, key="create-key-1")
        assert (again["id"], again["token"], again["replayed"]) == (created["id"], None, True)
        headers = {"Authorization": f"Bearer {created['token']}"}
        assert (await service.client.get("/v1/builds", headers=headers)).status == 200
        listed = await service.get("/v1/keys")
        assert "secret_sha256" not in str(listed)
        assert created["id"] in {row["key_id"] for row in listed["value"]}
        secret = created["token"].rpartition("_")[2]
        assert not [e for e in await service.store.read_log(0) if secret.encode() in e.data]

    run(story)


def test_a_label_is_shown_beside_the_id_and_recorded_nowhere() -> None:
    async def story(service: Service) -> None:
        body = {"role": "auditor", "label": "Ada Lovelace"}
        created = await service.post("/v1/keys", body, key="create-key-1")
        headers = {"Authorization": f"Bearer {created['token']}"}
        await service.client.post("/v1/keys", headers=headers)
        assert await labels_of(service, created["id"]) == ("Ada Lovelace", "Ada Lovelace")
        assert not [e for e in await service.store.read_log(0) if b"Ada" in e.data]

    run(story)


def test_an_erased_label_is_gone_and_its_erasure_recorded() -> None:
    async def story(service: Service) -> None:
        body = {"role": "auditor", "label": "Ada Lovelace"}
        created = await service.post("/v1/keys", body, key="create-key-1")
        headers = {"Authorization": f"Bearer {created['token']}"}
        await service.client.post("/v1/keys", headers=headers)
        response = await service.call("DELETE", f"/v1/keys/{created['id']}/label")
        assert response.status == 202
        assert await labels_of(service, created["id"]) == ("", "")
        assert (await service.client.get("/v1/audit", headers=headers)).status == 200
        assert (await service.get("/v1/audit"))["items"][0]["command"] == "EraseKeyLabel"
        again = await service.post("/v1/keys", body, key="create-key-1")
        assert again["replayed"]
        assert await labels_of(service, created["id"]) == ("", "")

    run(story)


def test_a_label_is_not_erased_by_a_command_that_is_refused() -> None:
    async def story(service: Service) -> None:
        created = await service.post("/v1/keys", {"role": "viewer", "label": "Ada"})
        path = f"/v1/keys/{created['id']}/label"
        response = await service.call("DELETE", path, headers={"If-Match": '"7"'})
        assert await problem(response) == (412, "stale-version")
        assert (await labels_of(service, created["id"]))[0] == "Ada"
        unknown = await service.call("DELETE", "/v1/keys/nobody/label")
        assert await problem(unknown) == (404, "unknown-id")
        await service.a_container(key="another-command")
        reused = await service.call("DELETE", path, headers={"Idempotency-Key": "another-command"})
        assert await problem(reused) == (422, "command-id-reused")
        assert (await labels_of(service, created["id"]))[0] == "Ada"

    run(story)


async def labels_of(service: Service, key_id: str) -> tuple[str, str]:
    """Of a key: in the list of keys, and in the audit log where it was denied something."""
    keys = (await service.get("/v1/keys"))["value"]
    label = next(key["label"] for key in keys if key["key_id"] == key_id)
    deeds = (await service.get(f"/v1/audit?actor=key:{key_id}"))["items"]
    return label, deeds[0]["actor_label"] if deeds else ""


@pytest.mark.parametrize("revoked", [False, True])
@pytest.mark.parametrize("other", [{"role": "admin"}, {"role": "viewer", "label": "Bob"}])
def test_an_idempotency_key_makes_one_key_only(other: dict[str, str], *, revoked: bool) -> None:
    async def story(service: Service) -> None:
        first = await service.post("/v1/keys", {"role": "viewer"}, key="create-key-1")
        if revoked:
            await service.post(f"/v1/keys/{first['id']}/revoke")
        response = await service.call(
            "POST", "/v1/keys", other, headers={"Idempotency-Key": "create-key-1"}
        )
        assert await problem(response) == (422, "command-id-reused")

    run(story)


@pytest.mark.parametrize("second", ["viewer", "admin"])
def test_the_same_creation_twice_at_once_makes_one_key_and_shows_one_token(
    second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(service: Service) -> None:
        both, put = asyncio.Barrier(2), service.identities.put

        async def put_together(tenant: str, subject: str, label: str) -> None:
            await put(tenant, subject, label)
            await both.wait()

        monkeypatch.setattr(service.identities, "put", put_together)
        headers = {"Idempotency-Key": "create-key-1"}
        answers = await asyncio.gather(
            *(
                service.call("POST", "/v1/keys", {"role": role, "label": "Ada"}, headers=headers)
                for role in ("viewer", second)
            )
        )
        bodies = [await answer.json() for answer in answers if answer.status == 201]
        assert sum(body["token"] is not None for body in bodies) == 1
        assert len({body["id"] for body in bodies}) == 1
        refused = [answer for answer in answers if answer.status != 201]
        assert [await problem(answer) for answer in refused] == [
            (422, "command-id-reused") for _ in range(second != "viewer")
        ]

    run(story)


def test_a_revoked_key_is_refused_at_once() -> None:
    async def story(service: Service) -> None:
        await service.get("/v1/builds", role=Role.VIEWER)
        await service.post("/v1/keys/key-viewer/revoke", {"reason": "lost"})
        async with service.client.ws_connect("/v1/events", headers=service.headers()) as socket:
            await service.a_build()
            await socket.receive_json()  # so this process has seen the revocation, too
        response = await service.call("GET", "/v1/builds", role=Role.VIEWER)
        assert await problem(response) == (401, "unauthenticated")

    run(story)


def test_the_last_admin_key_cannot_be_revoked_and_the_attempt_is_recorded() -> None:
    async def story(service: Service) -> None:
        for _ in range(2):  # sent twice, it is refused twice and recorded once
            response = await service.call(
                "POST", "/v1/keys/key-admin/revoke", {}, headers={"Idempotency-Key": "last-admin"}
            )
            assert await problem(response) == (409, "refused-state")
            assert (await response.json())["rule"] == "the-last-admin-key-stays"
        assert await service.get("/v1/keys")
        audited = (await service.get("/v1/audit?outcome=refused"))["items"]
        assert [(row["command"], row["target"]) for row in audited] == [
            ("RevokeKey", "key-key-admin")
        ]

    run(story)


def test_an_admin_may_give_up_its_key_where_another_one_is_left() -> None:
    async def story(service: Service) -> None:
        other = await service.post("/v1/keys", {"role": "admin"})
        await service.post("/v1/keys/key-admin/revoke", {}, key="given-up")
        service.keys[Role.ADMIN] = other["token"]
        again = await service.post("/v1/keys/key-admin/revoke", {}, key="given-up")
        assert again["replayed"]

    run(story)


def test_two_admins_who_revoke_their_keys_at_once_do_not_count_on_each_other() -> None:
    async def story(service: Service) -> None:
        other = await service.post("/v1/keys", {"role": "admin"})
        headers = {"Authorization": f"Bearer {other['token']}"}
        service.store.turns = 1_000
        answers = await asyncio.gather(
            service.call("POST", "/v1/keys/key-admin/revoke", {}),
            service.call("POST", f"/v1/keys/{other['id']}/revoke", {}, headers=headers),
        )
        assert sorted(answer.status for answer in answers) == [202, 409]

    run(story)


def test_roles_here_and_in_the_domain_agree() -> None:
    for role in Role:
        assert {p.value for p in Permission if permits(role, p)} == ALLOWED[role]
