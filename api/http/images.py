"""Refuses requests that name an image which is not to be had."""

from typing import Any

from api.http import errors as e
from api.http.call import Call


async def check_image(call: Call[Any, Any], reference: str, *, path: str) -> None:
    """A request that was accepted once is accepted again, whatever became of the image."""
    why = await call.parts.images.why_missing(reference)
    if why is None:
        return
    if await call.parts.store.find_receipt(call.tenant, call.command_id) is not None:
        return
    raise e.Rejected(e.UNKNOWN_IMAGE, f"There is no image {reference}. {why}", path=path)
