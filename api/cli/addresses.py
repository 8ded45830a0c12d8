"""URLs as people should see them, and with another login."""

from urllib.parse import quote, urlsplit, urlunsplit


def place(url: str) -> str:
    """Hosts and ports only: the rest may hold a password."""
    return urlsplit(url).netloc.rpartition("@")[2] or "local socket"


def with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))
