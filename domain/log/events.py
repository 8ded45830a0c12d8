"""What can have happened to the log itself."""

from datetime import datetime

from domain.event import Event


class LogRestored(Event, frozen=True, kw_only=True):
    """This log went on from a backup. Whatever was recorded elsewhere after `position` is another
    branch: it is not in this log.

    chain: hex, the chain hash at `position`. backup_id: of the backup's manifest.
    """

    restore_id: str
    backup_id: str
    position: int
    chain: str
    backed_up_at: datetime
    restored_at: datetime


LogEvent = LogRestored
