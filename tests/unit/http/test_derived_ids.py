"""Ids that follow from a command's id."""

from hashlib import sha256
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from api.http.call import uuid_of_ours


@given(st.binary(max_size=40))
def test_it_is_the_digests_beginning_with_the_marks_of_version_8(seed: bytes) -> None:
    digest = sha256(seed)
    shaped = bytearray(digest.digest()[:16])
    shaped[6] = shaped[6] & 0x0F | 0x80
    shaped[8] = shaped[8] & 0x3F | 0x80
    assert uuid_of_ours(digest.hexdigest()) == str(UUID(bytes=bytes(shaped)))
