"""URLs as people should see them, and with another login."""

from urllib.parse import quote, urlsplit, urlunsplit


def place(url: str) -> str:
    """Host and port only: the rest may hold a password."""
    parts = urlsplit(url)
    host = parts.hostname or "local socket"
    return f"{host}:{parts.port}" if parts.port else host


def with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))
