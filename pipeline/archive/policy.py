"""When to write, when to close a file, when to stop reading."""

from dataclasses import dataclass

from pipeline.archive.partition import OpenPartition, Tally
from pipeline.config import ArchiveSpec

ROW_GROUP_ROWS = 65_536
ROW_GROUP_BYTES = 8 * 1024 * 1024
BUFFER_BYTES = 64 * 1024 * 1024
"""Arrow bytes in memory over all partitions of a stream."""
_SUSPICIOUS_EVENTS = 1_000
_ALL_REJECTED_EVENTS = 100
_SMALLEST_SHARE = 1 / 64


@dataclass(slots=True)
class RollPolicy:
    """A file is closed by rows, bytes or age, whichever comes first."""

    spec: ArchiveSpec
    scale: float = 1.0
    """Below 1 after a full disk: smaller files fit where large ones did not."""

    def smaller(self) -> None:
        """Halve the size at which files are closed."""
        self.scale = max(_SMALLEST_SHARE, self.scale / 2)

    def larger(self) -> None:
        """Double it again, up to the spec's."""
        self.scale = min(1.0, self.scale * 2)

    def closes(self, part: OpenPartition, now: float) -> bool:
        """True where the file is large or old enough. `now` is monotonic seconds."""
        if part.opened_at is None:
            return False
        full = part.total.rows >= self.spec.roll_rows * self.scale
        heavy = part.total.record_bytes >= self.spec.roll_bytes * self.scale
        return full or heavy or now - part.opened_at >= self.spec.roll_seconds


def flushes(part: OpenPartition) -> bool:
    """True where enough rows wait for a row group of their own."""
    return part.buffered_rows >= ROW_GROUP_ROWS or part.buffered_bytes >= ROW_GROUP_BYTES


def too_many_rejects(tally: Tally, greatest_share: float) -> bool:
    """True where the stream no longer fits its spec, as for the scorer."""
    if tally.rejects == tally.events >= _ALL_REJECTED_EVENTS and greatest_share < 1.0:
        return True
    return tally.events >= _SUSPICIOUS_EVENTS and tally.rejects > greatest_share * tally.events
