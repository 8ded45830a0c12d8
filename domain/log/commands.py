"""What may be reported of the log itself."""

from datetime import datetime

from domain.event import Command


class RecordLogRestored(Command, frozen=True, kw_only=True):
    restore_id: str
    backup_id: str
    position: int
    chain: str
    backed_up_at: datetime
    restored_at: datetime


LogCommand = RecordLogRestored
