"""The routes of builds, their files, and containers."""

from api.http import blobs, builds, containers, events, logs
from api.http import errors as e
from api.http.route import Handler, Route
from api.http.route_problems import CHANGE, COMMAND, ONE, PAGE
from domain.access.roles import Permission


def _operation(path: str, handler: Handler, summary: str, *problems: e.ProblemType) -> Route:
    return Route(
        method="POST",
        path=f"/v1/containers/{{container_id}}/{path}",
        permission=Permission.OPERATE_CONTAINERS,
        handler=handler,
        summary=summary,
        status=202,
        problems=(*CHANGE, *problems),
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
            *COMMAND,
            e.REFUSED_STATE,
            e.MISSING_CONTENT,
            e.WRONG_SIZE,
            e.BROKEN_ARCHIVE,
            e.CONTEXT_TOO_LARGE,
            e.UNKNOWN_IMAGE,
            e.BEYOND_THE_MACHINE,
        ),
    ),
    Route(
        method="GET",
        path="/v1/builds",
        permission=Permission.READ_BUILDS,
        handler=builds.list_builds,
        summary="List builds, newest first",
        problems=PAGE,
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}",
        permission=Permission.READ_BUILDS,
        handler=builds.get_build,
        summary="A build now, or as of then",
        problems=ONE,
    ),
    Route(
        method="POST",
        path="/v1/builds/{build_id}/cancel",
        permission=Permission.SUBMIT_BUILDS,
        handler=builds.cancel_build,
        summary="Cancel a build",
        status=202,
        problems=CHANGE,
    ),
    Route(
        method="POST",
        path="/v1/builds/{build_id}/retry",
        permission=Permission.SUBMIT_BUILDS,
        handler=builds.retry_build,
        summary="Try a build again",
        status=202,
        problems=CHANGE,
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
        problems=ONE,
    ),
    Route(
        method="GET",
        path="/v1/builds/{build_id}/artifacts/{name}",
        permission=Permission.READ_BUILDS,
        handler=builds.get_artifact,
        summary="Fetch what a build made",
        media_type="application/octet-stream",
        problems=ONE,
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
        problems=(
            *COMMAND,
            e.REFUSED_STATE,
            e.PROJECTION_BEHIND,
            e.UNKNOWN_IMAGE,
            e.AMBIGUOUS_VARIABLE,
            e.BEYOND_THE_MACHINE,
        ),
    ),
    Route(
        method="GET",
        path="/v1/containers",
        permission=Permission.READ_CONTAINERS,
        handler=containers.list_containers,
        summary="List containers, newest first",
        problems=PAGE,
    ),
    Route(
        method="GET",
        path="/v1/containers/{container_id}",
        permission=Permission.READ_CONTAINERS,
        handler=containers.get_container,
        summary="A container now, or as of then",
        problems=ONE,
    ),
    Route(
        method="DELETE",
        path="/v1/containers/{container_id}",
        permission=Permission.OPERATE_CONTAINERS,
        handler=containers.remove_container,
        summary="Remove a container",
        status=202,
        problems=CHANGE,
    ),
    _operation("start", containers.start_container, "Start a container"),
    _operation("stop", containers.stop_container, "Stop a container"),
    _operation("restart", containers.restart_container, "Restart a container"),
    _operation("pause", containers.pause_container, "Pause a container"),
    _operation("unpause", containers.unpause_container, "Let a paused container go on"),
    _operation("kill", containers.kill_container, "Send a signal to a container"),
    _operation(
        "rename",
        containers.rename_container,
        "Give a container another name",
        e.PROJECTION_BEHIND,
    ),
    _operation(
        "limits",
        containers.change_container_limits,
        "Change a container's limits",
        e.BEYOND_THE_MACHINE,
    ),
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

AGGREGATE_ROUTES: tuple[Route, ...] = (*_BLOBS, *_BUILDS, *_CONTAINERS)
