"""Keys are created once and revoked once; what a role may do is listed, all else denied."""

from functools import reduce

import pytest

from domain.access.commands import CreateKey, RevokeKey
from domain.access.decide import decide
from domain.access.events import KeyCreated, KeyRevoked
from domain.access.roles import PERMISSIONS, Permission, Role, permits
from domain.access.state import evolve
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


@pytest.mark.parametrize("role", Role)
def test_only_an_admin_manages_keys(role: Role) -> None:
    assert permits(role, Permission.MANAGE_KEYS) is (role is Role.ADMIN)


def test_every_role_has_its_permissions_listed() -> None:
    assert set(PERMISSIONS) == set(Role)
