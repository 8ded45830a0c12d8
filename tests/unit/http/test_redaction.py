import pytest

from api.redaction import redact, redact_bytes

SECRET = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (f"GET /v1/keys/em_k-1_{SECRET}/revoke", "GET /v1/keys/em_k-1_***/revoke"),
        (f"Authorization: Bearer {SECRET}", "Authorization: Bearer ***"),
        ("Authorization: Basic dXNlcjpodW50ZXIy", "Authorization: Basic ***"),
        ("to postgresql://service:hunter2@db:5432/x", "to postgresql://service:***@db:5432/x"),
        ("to redis://:p@ss@host/0", "to redis://:***@host/0"),
        ("host=db password=hunter2 user=a", "host=db password=*** user=a"),
        ("?from=1&ticket=abcdefgh&limit=1", "?from=1&ticket=***&limit=1"),
        ("token=abcdefgh", "token=***"),
        ("a secret=abcdefgh, a passwd=hunter2", "a secret=***, a passwd=***"),
        (f"bearer {SECRET} or basic {SECRET}", "bearer *** or basic ***"),
    ],
)
def test_a_secret_is_hidden_and_what_is_around_it_is_not(text: str, redacted: str) -> None:
    assert redact(text) == redacted
    assert redact_bytes(text.encode()) == redacted.encode()


@pytest.mark.parametrize(
    "text",
    [
        '{"url":"http://127.0.0.1:8080/","by":"key:a@b"}',
        "container em-1234-1 of docker.io/library/alpine:3@sha256:00",
        "the password was wrong",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
