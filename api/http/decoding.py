"""From bytes and query strings to typed requests; what does not fit is named with its place."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.client_exceptions import ClientPayloadError

from api.http import errors as e
from api.http.known import known_fields, known_values

Wanted = TypeVar("Wanted")

UNKNOWN = "Object contains unknown field "
_PLACE = re.compile(r" - at (?P<path>.*)$")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No body, or no query: an empty object at most."""


async def decode_body(request: web.Request, wanted: type[Wanted], timeout_seconds: float) -> Wanted:
    """An empty body counts as `{}`."""
    body = await _read(request, timeout_seconds)
    if body and request.content_type != "application/json":
        raise e.Rejected(e.UNSUPPORTED_MEDIA_TYPE, "Send Content-Type: application/json.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise e.Rejected(e.UNSUPPORTED_MEDIA_TYPE, "Send the body without Content-Encoding.")
    if _NUL.search(body):
        raise e.Rejected(e.ILLEGAL_VALUE, "Leave out the characters \\u0000.")
    decoder = _DECODERS.get(wanted)
    if decoder is None:
        decoder = _DECODERS[wanted] = msgspec.json.Decoder(wanted)
    body = body or b"{}"
    try:
        decoded: Wanted = decoder.decode(body)
    except _UNDECODABLE as error:
        raise _refused(body, error, wanted) from error
    return decoded


def decode_query(query: Mapping[str, str], wanted: type[Wanted]) -> Wanted:
    if len(query) != len(set(query)):
        raise e.Rejected(e.ILLEGAL_VALUE, "A query parameter is given twice. Give it once.")
    try:
        return msgspec.convert(dict(query), wanted, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(error, wanted) from error


def _refused(body: bytes, error: Exception, wanted: Any) -> e.Rejected:
    """A decoder stops at the first value that does not fit, though the JSON may break after it."""
    try:
        body.decode()
        msgspec.json.decode(body, type=msgspec.Raw)
    except _UNDECODABLE as broken:
        return _malformed(body, broken)
    if isinstance(error, msgspec.ValidationError):
        return invalid(error, wanted)
    return _malformed(body, error)


def _malformed(body: bytes, error: Exception) -> e.Rejected:
    match error:
        case UnicodeDecodeError(start=start):
            why = f"byte {start} is no UTF-8"
        case RecursionError():
            why = "it is nested too deeply"
        case _ if "truncated" in str(error):
            why = f"it ends too early, at byte {len(body)}"
        case _:
            why = str(error).removeprefix("JSON is malformed: ")
    return e.Rejected(e.MALFORMED_JSON, f"The body is no valid JSON: {why}. Correct it.")


def invalid(error: msgspec.ValidationError, wanted: Any) -> e.Rejected:
    """What does not fit into the type that was wanted."""
    text = str(error)
    place = _PLACE.search(text)
    path = place["path"].replace("`", "") if place else "$"
    what = _PLACE.sub("", text)
    kind = _kind(what, path)
    if kind is e.UNKNOWN_FIELD:
        inside = f"in `{path[2:]}`" if place else "here"
        field = what.removeprefix(UNKNOWN)
        words = f"There is no field {field} {inside}. Known: {known_fields(wanted, path)}."
    else:
        words = f"{what} (at {path})." if place else f"{what}."
        if "Invalid " in what and (known := known_values(wanted, path)):
            words += f" Known: {known}."
    return e.Rejected(kind, f"{words} Correct it.", path=path)


def _kind(what: str, path: str) -> e.ProblemType:
    if what.startswith(UNKNOWN):
        return e.UNKNOWN_FIELD
    if "missing required field" in what:
        return e.MISSING_FIELD
    if "matching regex" in what:
        is_name = path.endswith((".name", "key in $.labels"))
        return e.ILLEGAL_NAME if is_name else e.ILLEGAL_VALUE
    if re.search(r"[<>]=? |length|Invalid ", what):
        return e.ILLEGAL_VALUE
    return e.WRONG_TYPE


async def _read(request: web.Request, timeout_seconds: float) -> bytes:
    try:
        if request.content.is_eof():  # it came with the headers, as nearly always
            return await request.read()
        async with asyncio.timeout(timeout_seconds):
            return await request.read()
    except TimeoutError as error:
        raise e.Rejected(e.BODY_TIMEOUT, "Send the whole body without pauses.") from error
    except ClientPayloadError as error:
        raise e.Rejected(e.TRUNCATED_BODY, "Send as many bytes as were announced.") from error
