"""Every route there is: routing, permissions, the OpenAPI document and the tests come from here."""

from api.http import (
    audit,
    blobs,
    builds,
    containers,
    events,
    health,
    keys,
    live_events,
    logs,
    openapi,
    projections,
    tickets,
)
from api.http import errors as e
from api.http.route import PUBLIC, Handler, Route
from domain.access.roles import Permission

_COMMAND = (e.COMMAND_ID_REUSED, e.ILLEGAL_HEADER, e.STORE_OVERLOADED)
_CHANGE = (*_COMMAND, e.UNKNOWN_ID, e.REFUSED_STATE, e.STALE_VERSION, e.CONCURRENT_CHANGE)
_READ = (e.PROJECTION_BEHIND,)
_PAGE = (*_READ, e.INVALID_CURSOR)
_ONE = (*_READ, e.UNKNOWN_ID, e.FUTURE_POSITION)


def _operation(path: str, handler: Handler, summary: str) -> Route:
    return Route(
        method="POST",
        path=f"/v1/containers/{{container_id}}/{path}",
        permission=Permission.OPERATE_CONTAINERS,
        handler=handler,
        summary=summary,
        status=202,
        problems=_CHANGE,
    )


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

_BLOBS = (
    Route(
        method="POST",
        path="/v1/blobs",
        permission=Permission.SUBMIT_BUILDS,
        handler=blobs.upload_blob,
        summary="Upload a file: the raw body; its digest comes back",
        status=201,
        raw_body=True,
        problems=(e.BODY_TOO_LARGE, e.BODY_TIMEOUT, e.TRUNCATED_BODY, e.UNSUPPORTED_MEDIA_TYPE),
    ),
    Route(
        method="GET",
        path="/v1/blobs/{digest}",
        permission=Permission.READ_BUILDS,
        handler=blobs.get_blob,
        summary="Fetch a file by its digest",
        media_type="application/octet-stream",
        problems=(e.UNKNOWN_ID,),
    ),
)

_BUILDS = (
    Route(
        method="POST",
        path="/v1/builds",
        permission=Permission.SUBMIT_BUILDS,
        handler=builds.submit_build,
        summary="Submit a build of an RPM package or an image",
        status=202,
        problems=(
            *_COMMAND,
            e.REFUSED_STATE,
            e.MISSING_CONTENT,
            e.WRONG_SIZE,
            e.BROKEN_ARCHIVE,
            e.CONTEXT_TOO_LARGE,
            e.UNKNOWN_IMAGE,
        ),
    ),
    Route(
        method="GET",
        path="/v1/builds",
        permission=Permission.READ_BUILDS,
        handler=builds.list_builds,
        summary="List builds, newest first",
        problems=_PAGE,
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}",
        permission=Permission.READ_BUILDS,
        handler=builds.get_build,
        summary="A build now, or as of then",
        problems=_ONE,
    ),
    Route(
        method="POST",
        path="/v1/builds/{build_id}/cancel",
        permission=Permission.SUBMIT_BUILDS,
        handler=builds.cancel_build,
        summary="Cancel a build",
        status=202,
        problems=_CHANGE,
    ),
    Route(
        method="POST",
        path="/v1/builds/{build_id}/retry",
        permission=Permission.SUBMIT_BUILDS,
        handler=builds.retry_build,
        summary="Try a build again",
        status=202,
        problems=_CHANGE,
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}/history",
        permission=Permission.READ_BUILDS,
        handler=events.get_build_history,
        summary="A build's events, raw and at the newest version",
        problems=(e.UNKNOWN_ID,),
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}/replay",
        permission=Permission.READ_BUILDS,
        handler=events.replay_build,
        summary="A build's state after each of its events",
        problems=(e.UNKNOWN_ID,),
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}/log",
        permission=Permission.READ_BUILDS,
        handler=logs.get_build_log,
        summary="A build's log, stored or live",
        media_type="text/plain",
        problems=(e.UNKNOWN_ID,),
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}/artifacts",
        permission=Permission.READ_BUILDS,
        handler=builds.list_artifacts,
        summary="What a build made",
        problems=_ONE,
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}/artifacts/{name}",
        permission=Permission.READ_BUILDS,
        handler=builds.get_artifact,
        summary="Fetch what a build made",
        media_type="application/octet-stream",
        problems=_ONE,
    ),
)

_CONTAINERS = (
    Route(
        method="POST",
        path="/v1/containers",
        permission=Permission.OPERATE_CONTAINERS,
        handler=containers.request_container,
        summary="Request a container",
        status=202,
        problems=(*_COMMAND, e.REFUSED_STATE, e.UNKNOWN_IMAGE, e.AMBIGUOUS_VARIABLE),
    ),
    Route(
        method="GET",
        path="/v1/containers",
        permission=Permission.READ_CONTAINERS,
        handler=containers.list_containers,
        summary="List containers, newest first",
        problems=_PAGE,
    ),
    Route(
        method="GET",
        path="/v1/containers/{container_id}",
        permission=Permission.READ_CONTAINERS,
        handler=containers.get_container,
        summary="A container now, or as of then",
        problems=_ONE,
    ),
    Route(
        method="DELETE",
        path="/v1/containers/{container_id}",
        permission=Permission.OPERATE_CONTAINERS,
        handler=containers.remove_container,
        summary="Remove a container",
        status=202,
        problems=_CHANGE,
    ),
    _operation("start", containers.start_container, "Start a container"),
    _operation("stop", containers.stop_container, "Stop a container"),
    _operation("restart", containers.restart_container, "Restart a container"),
    _operation("pause", containers.pause_container, "Pause a container"),
    _operation("unpause", containers.unpause_container, "Let a paused container go on"),
    _operation("kill", containers.kill_container, "Send a signal to a container"),
    _operation("rename", containers.rename_container, "Give a container another name"),
    _operation("limits", containers.change_container_limits, "Change a container's limits"),
    Route(
        method="GET",
        path="/v1/containers/{container_id}/history",
        permission=Permission.READ_CONTAINERS,
        handler=events.get_container_history,
        summary="A container's events, raw and at the newest version",
        problems=(e.UNKNOWN_ID,),
    ),
    Route(
        method="GET",
        path="/v1/containers/{container_id}/replay",
        permission=Permission.READ_CONTAINERS,
        handler=events.replay_container,
        summary="A container's state after each of its events",
        problems=(e.UNKNOWN_ID,),
    ),
    Route(
        method="GET",
        path="/v1/containers/{container_id}/log",
        permission=Permission.READ_CONTAINERS,
        handler=logs.get_container_log,
        summary="A container's log, stored or live",
        media_type="text/plain",
        problems=(e.UNKNOWN_ID,),
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
        problems=_PAGE,
    ),
    Route(
        method="GET",
        path="/v1/statistics",
        permission=Permission.READ_STATISTICS,
        handler=audit.get_statistics,
        summary="How many events of each type there were in each hour",
        problems=_READ,
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
        problems=_COMMAND,
    ),
    Route(
        method="GET",
        path="/v1/keys",
        permission=Permission.MANAGE_KEYS,
        handler=keys.list_keys,
        summary="List keys, oldest first",
        problems=_READ,
    ),
    Route(
        method="POST",
        path="/v1/keys/{key_id}/revoke",
        permission=Permission.MANAGE_KEYS,
        handler=keys.revoke_key,
        summary="Revoke a key; its connections are closed",
        status=202,
        problems=_CHANGE,
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
        problems=(e.UNKNOWN_ID, e.NOT_READY),
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
        problems=(e.UNKNOWN_ID, e.NOT_READY),
    ),
)

ROUTES: tuple[Route, ...] = (
    *_HEALTH,
    *_BLOBS,
    *_BUILDS,
    *_CONTAINERS,
    *_LOG,
    *_KEYS,
    *_PROJECTIONS,
)
