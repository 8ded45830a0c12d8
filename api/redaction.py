"""Takes secrets out of text before it is logged or recorded: keys, tickets, passwords in URLs.

Nothing of ours puts them there; clients and libraries do, in paths, messages and tracebacks.
"""

import re

_HIDDEN = r"***"
_SECRETS = (
    r"(?P<key>em_[A-Za-z0-9-]{1,64}_)[A-Za-z0-9_-]+"
    r"|(?P<bearer>[Bb]earer\s+|[Bb]asic\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<url>://[^\s:/@\"]*:)[^\s/\"]+(?=@)"
    r"|(?P<named>\b(?:password|passwd|secret|ticket|token)=)[^\s&\"',;]+"
)
_MARKS = ("=", "em_", "earer", "asic", "://")
"""What a text with a secret has one of: to look for these costs a twentieth of the expression."""
_MARKS_IN_BYTES = tuple(mark.encode() for mark in _MARKS)
_IN_TEXT = re.compile(_SECRETS)
_IN_BYTES = re.compile(_SECRETS.encode())


def redact(text: str) -> str:
    if not any(mark in text for mark in _MARKS):
        return text
    return _IN_TEXT.sub(_without_secret, text)


def redact_bytes(text: bytes) -> bytes:
    if not any(mark in text for mark in _MARKS_IN_BYTES):
        return text
    return _IN_BYTES.sub(_bytes_without_secret, text)


def _without_secret(match: re.Match[str]) -> str:
    return (match[match.lastgroup] if match.lastgroup else "") + _HIDDEN


def _bytes_without_secret(match: re.Match[bytes]) -> bytes:
    return (match[match.lastgroup] if match.lastgroup else b"") + _HIDDEN.encode()
