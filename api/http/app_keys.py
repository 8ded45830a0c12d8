"""Where the application keeps what its handlers share, and a request what is known about it."""

import asyncio

from aiohttp import web

from api.http.auth import KeyRing
from api.http.broadcast import Broadcast
from api.http.open_streams import OpenStreams
from api.http.parts import HttpParts

PARTS = web.AppKey("parts", HttpParts)
KEY_RING = web.AppKey("key_ring", KeyRing)
BROADCAST = web.AppKey("broadcast", Broadcast)
OPEN_STREAMS = web.AppKey("open_streams", OpenStreams)
STOPPING = web.AppKey("stopping", asyncio.Event)
CONTEXT_CHECKS = web.AppKey("context_checks", asyncio.Semaphore)
OPENAPI = web.AppKey("openapi", bytes)

ADDRESS = web.RequestKey("address", str)
CORRELATION_ID = web.RequestKey("correlation_id", str)
