"""Keys are created once and revoked once; what a role may do is listed, all else denied."""

from functools import reduce

import pytest

from domain.access.commands import CreateKey, RevokeKey
from domain.access.decide import decide, last_admin_key_stays
from domain.access.events import KeyCreated, KeyRevoked
from domain.access.roles import PERMISSIONS, Permission, Role, permits
from domain.access.state import Key, evolve
from domain.errors import Refusal, UnknownStream

CREATE = CreateKey(key_id="k", role=Role.BUILDER, secret_sha256=64 * "a")
REVOKE = RevokeKey(key_id="k", reason="left")


def test_a_key_is_created_and_revoked() -> None:
    (created,) = decide(CREATE, None)
    assert isinstance(created, KeyCreated)
    state = evolve(None, created)
    (revoked,) = decide(REVOKE, state)
    assert revoked == KeyRevoked(key_id="k", reason="left")
    key = evolve(state, revoked)
    assert key is not None
    assert (key.revoked, key.version) == (True, 2)


def test_a_key_id_is_used_once() -> None:
    created = decide(CREATE, None)
    with pytest.raises(Refusal, match="key-id-is-new") as refusal:
        decide(CREATE, reduce(evolve, created, None))
    assert refusal.value.state == "active"


def test_a_key_is_revoked_once() -> None:
    state = reduce(evolve, (*decide(CREATE, None), KeyRevoked(key_id="k")), None)
    with pytest.raises(Refusal, match="revoke-needs-an-active-key") as refusal:
        decide(REVOKE, state)
    assert refusal.value.state == "revoked"


def test_a_key_that_never_was_cannot_be_revoked() -> None:
    with pytest.raises(UnknownStream):
        decide(REVOKE, None)


def a_key(role: Role = Role.ADMIN, *, revoked: bool = False) -> Key:
    return Key(key_id="other", role=role, secret_sha256=64 * "b", revoked=revoked)


@pytest.mark.parametrize("other", [None, a_key(revoked=True), a_key(Role.OPERATOR)])
def test_the_last_active_admin_key_stays(other: Key | None) -> None:
    refusal = last_admin_key_stays(a_key(), [other])
    assert refusal is not None
    assert refusal.rule == "the-last-admin-key-stays"


@pytest.mark.parametrize("key", [None, a_key(revoked=True), a_key(Role.VIEWER)])
def test_a_key_that_is_no_active_admins_may_go_alone(key: Key | None) -> None:
    assert last_admin_key_stays(key, []) is None


def test_an_admin_key_may_go_where_another_one_is_left() -> None:
    assert last_admin_key_stays(a_key(), [a_key(Role.VIEWER), a_key()]) is None


@pytest.mark.parametrize("role", Role)
def test_only_an_admin_manages_keys(role: Role) -> None:
    assert permits(role, Permission.MANAGE_KEYS) is (role is Role.ADMIN)


def test_every_role_has_its_permissions_listed() -> None:
    assert set(PERMISSIONS) == set(Role)
