"""Who may do what. A role is a set of permissions; whatever is not listed is denied."""

from enum import StrEnum


class Permission(StrEnum):
    READ_CONTAINERS = "containers:read"
    OPERATE_CONTAINERS = "containers:operate"
    READ_BUILDS = "builds:read"
    SUBMIT_BUILDS = "builds:submit"
    READ_EVENTS = "events:read"
    READ_AUDIT = "audit:read"
    READ_STATISTICS = "statistics:read"
    READ_PROJECTIONS = "projections:read"
    MANAGE_PROJECTIONS = "projections:manage"
    MANAGE_KEYS = "keys:manage"
    READ_ENGINES = "engines:read"
    MANAGE_ENGINES = "engines:manage"


class Role(StrEnum):
    VIEWER = "viewer"
    BUILDER = "builder"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


_VIEW = frozenset({Permission.READ_CONTAINERS, Permission.READ_BUILDS, Permission.READ_STATISTICS})

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEW,
    Role.BUILDER: _VIEW | {Permission.SUBMIT_BUILDS, Permission.READ_EVENTS},
    Role.OPERATOR: _VIEW
    | {Permission.OPERATE_CONTAINERS, Permission.READ_EVENTS, Permission.READ_ENGINES},
    Role.AUDITOR: _VIEW
    | {
        Permission.READ_EVENTS,
        Permission.READ_AUDIT,
        Permission.READ_PROJECTIONS,
        Permission.READ_ENGINES,
    },
    Role.ADMIN: frozenset(Permission),
}


def permits(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]
