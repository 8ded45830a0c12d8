"""The OpenAPI 3.1 document, made from the route table and the types of its handlers."""

import re
from collections.abc import Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

import msgspec
from aiohttp import web

from api.http import errors as e
from api.http.app_keys import OPENAPI
from api.http.call import Call
from api.http.decoding import Nothing
from api.http.route import PUBLIC, Route
from api.http.route_problems import problems_of
from domain.access.roles import Permission

REFERENCES = "#/components/schemas/{name}"

Schema = dict[str, Any]


async def get_openapi(call: Call[Nothing, Nothing]) -> web.Response:
    return web.Response(body=call.request.app[OPENAPI], content_type="application/json")


def openapi_document(routes: Sequence[Route], *, version: str = "1") -> bytes:
    kinds = [kind for r in routes for kind in (r.query, r.body, *_alternatives(r.result))]
    schemas, components = msgspec.json.schema_components(
        (e.Problem, *kinds), ref_template=REFERENCES
    )
    found = iter(schemas[1:])
    paths: dict[str, dict[str, Schema]] = {}
    for route in routes:
        query, body = _fields(next(found), components), next(found)
        results = [next(found) for _ in _alternatives(route.result)]
        operation = _operation(route, query, body, results)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    document = {
        "openapi": "3.1.0",
        "info": {"title": "EulerMaker", "version": version},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.encode(document, order="deterministic")


def _operation(route: Route, query: Schema, body: Schema, results: list[Schema]) -> Schema:
    operation: Schema = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(query), *_headers(route)],
        "responses": {str(route.status): _success(route, results), **_problems(route)},
        "security": [] if route.permission is PUBLIC else [{"key": []}],
    }
    if isinstance(route.permission, Permission):
        operation["x-permission"] = route.permission.value
    if route.raw_body:
        content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
        operation["requestBody"] = {"required": True, "content": content}
    elif route.body is not Nothing:
        operation["requestBody"] = {"content": {"application/json": {"schema": body}}}
    return operation


def _success(route: Route, results: list[Schema]) -> Schema:
    schema = results[0] if len(results) == 1 else {"anyOf": results}
    content = {"schema": schema} if results else {}
    return {"description": route.summary, "content": {route.media_type: content}}


def _alternatives(result: Any) -> tuple[Any, ...]:
    """msgspec describes no union of untagged structs, so each is described by itself."""
    if result is None:
        return ()
    return get_args(result) if get_origin(result) in {Union, UnionType} else (result,)


def _problems(route: Route) -> Schema:
    by_status: dict[int, list[e.ProblemType]] = {}
    for problem in problems_of(route):
        by_status.setdefault(problem.status, []).append(problem)
    schema = {"$ref": REFERENCES.format(name="Problem")}
    return {
        str(status): {
            "description": "; ".join(f"{p.title} ({e.URN}{p.name})" for p in problems),
            "content": {e.MEDIA_TYPE: {"schema": schema}},
        }
        for status, problems in sorted(by_status.items())
    }


def _path_parameters(route: Route) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", route.path)
    ]


def _query_parameters(query: Schema) -> list[Schema]:
    required = set(query.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in query.get("properties", {}).items()
    ]


def _headers(route: Route) -> list[Schema]:
    if e.COMMAND_ID_REUSED not in route.problems:
        return []
    names = ["Idempotency-Key", *(["If-Match"] if e.STALE_VERSION in route.problems else [])]
    return [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]


def _fields(schema: Schema, components: dict[str, Schema]) -> Schema:
    """Of the struct that a query is: parameters have no reference of their own."""
    reference = schema.get("$ref")
    return schema if reference is None else components[reference.rpartition("/")[2]]
