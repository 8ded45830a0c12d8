"""What a build wrote so far, or of one of its attempts and steps until it ends."""

from api.cli.client import ApiClient
from api.cli.log_frames import LogPrinter, read_frames
from api.cli.output import query_flag


async def show_log(
    client: ApiClient,
    build_id: str,
    *,
    step: str | None = None,
    attempt: int | None = None,
    stream: str | None = None,
    offset: int = 0,
    follow: bool = False,
    as_json: bool = False,
) -> int:
    """Of which attempt it was."""
    query = {
        "step": step,
        "attempt": attempt,
        "stream": stream,
        "follow": query_flag(follow),
    }
    printer, shown = LogPrinter(as_json=as_json, headings=step is None), attempt or 0
    async for frame in read_frames(client, f"/v1/builds/{build_id}/log", query, offset=offset):
        printer.show(frame)
        shown = frame.attempt
    return shown
