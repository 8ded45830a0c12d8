"""Every route there is: routing, permissions, the OpenAPI document and the tests come from here."""

from api.http import (
    audit,
    engine,
    events,
    health,
    keys,
    live_events,
    openapi,
    projections,
    tickets,
)
from api.http import errors as e
from api.http.aggregate_routes import AGGREGATE_ROUTES
from api.http.route import PUBLIC, Route
from api.http.route_problems import CHANGE, COMMAND, PAGE, READ
from domain.access.roles import Permission

_HEALTH = (
    Route(
        method="GET",
        path="/healthz",
        permission=PUBLIC,
        handler=health.get_health,
        summary="Whether the process lives",
    ),
    Route(
        method="GET",
        path="/readyz",
        permission=PUBLIC,
        handler=health.get_readiness,
        summary="Whether it can serve, else what it waits for",
        problems=(e.NOT_YET_READY,),
    ),
    Route(
        method="GET",
        path="/v1/openapi.json",
        permission=PUBLIC,
        handler=openapi.get_openapi,
        summary="This document",
    ),
    Route(
        method="GET",
        path="/metrics",
        permission=Permission.READ_STATISTICS,
        handler=health.get_metrics,
        summary="What the process measures, for Prometheus",
        media_type="text/plain",
    ),
)

_LOG = (
    Route(
        method="GET",
        path="/v1/events",
        permission=Permission.READ_EVENTS,
        handler=live_events.list_events,
        summary="Events after a position: a page, or by WebSocket as they come",
        ticket=True,
        problems=(e.FOREIGN_ORIGIN, e.FUTURE_POSITION),
    ),
    Route(
        method="POST",
        path="/v1/tickets",
        permission=Permission.READ_EVENTS,
        handler=tickets.create_ticket,
        summary="A one-time ticket for a WebSocket",
        status=201,
    ),
    Route(
        method="GET",
        path="/v1/checkpoint",
        permission=Permission.READ_EVENTS,
        handler=events.get_checkpoint,
        summary="The log's last position and chain hash, to be kept elsewhere",
    ),
    Route(
        method="GET",
        path="/v1/audit",
        permission=Permission.READ_AUDIT,
        handler=audit.list_audit,
        summary="Who did what, newest first; refusals too",
        problems=PAGE,
    ),
    Route(
        method="GET",
        path="/v1/statistics",
        permission=Permission.READ_STATISTICS,
        handler=audit.get_statistics,
        summary="How many events of each type there were in each hour",
        problems=READ,
    ),
)

_KEYS = (
    Route(
        method="POST",
        path="/v1/keys",
        permission=Permission.MANAGE_KEYS,
        handler=keys.create_key,
        summary="Create a key; its token is shown this once",
        status=201,
        problems=COMMAND,
    ),
    Route(
        method="GET",
        path="/v1/keys",
        permission=Permission.MANAGE_KEYS,
        handler=keys.list_keys,
        summary="List keys, oldest first",
        problems=READ,
    ),
    Route(
        method="POST",
        path="/v1/keys/{key_id}/revoke",
        permission=Permission.MANAGE_KEYS,
        handler=keys.revoke_key,
        summary="Revoke a key; its connections are closed",
        status=202,
        problems=(*CHANGE, e.PROJECTION_BEHIND),
    ),
    Route(
        method="DELETE",
        path="/v1/keys/{key_id}/label",
        permission=Permission.MANAGE_KEYS,
        handler=keys.erase_key_label,
        summary="Erase a key's label, wherever it is kept; the key goes on",
        status=202,
        problems=CHANGE,
    ),
)

_PROJECTIONS = (
    Route(
        method="GET",
        path="/v1/projections",
        permission=Permission.READ_PROJECTIONS,
        handler=projections.list_projections,
        summary="List the read models, their versions and how far they are",
    ),
    Route(
        method="POST",
        path="/v1/projections/{name}/rebuild",
        permission=Permission.MANAGE_PROJECTIONS,
        handler=projections.rebuild_projection,
        summary="Build a new version beside the active one",
        status=202,
        problems=(*COMMAND, e.UNKNOWN_ID, e.NOT_READY, e.STALE_VERSION, e.CONCURRENT_CHANGE),
    ),
    Route(
        method="POST",
        path="/v1/projections/{name}/compare",
        permission=Permission.MANAGE_PROJECTIONS,
        handler=projections.compare_projection,
        summary="Compare a version with the active one",
        problems=(e.UNKNOWN_ID, e.NOT_READY),
    ),
    Route(
        method="POST",
        path="/v1/projections/{name}/switch",
        permission=Permission.MANAGE_PROJECTIONS,
        handler=projections.switch_projection,
        summary="Let readers see another version",
        problems=(*COMMAND, e.UNKNOWN_ID, e.NOT_READY, e.STALE_VERSION, e.CONCURRENT_CHANGE),
    ),
)

_ENGINE = (
    Route(
        method="GET",
        path="/v1/engine",
        permission=Permission.READ_ENGINES,
        handler=engine.get_engine,
        summary="The engine that the installation is bound to, and a foreign one that answers",
    ),
    Route(
        method="POST",
        path="/v1/engine/rebind",
        permission=Permission.MANAGE_ENGINES,
        handler=engine.rebind_engine,
        summary="Bind the installation to the foreign engine that answers",
        status=202,
        problems=(*COMMAND, e.REFUSED_STATE, e.STALE_VERSION, e.CONCURRENT_CHANGE),
    ),
)

ROUTES: tuple[Route, ...] = (
    *_HEALTH,
    *AGGREGATE_ROUTES,
    *_LOG,
    *_KEYS,
    *_PROJECTIONS,
    *_ENGINE,
)
