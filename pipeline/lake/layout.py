"""Where archive files lie and what their names say.

`real/<stream>/<topic id>/date=YYYY-MM-DD/p<partition>-<first>-<next>.parquet`: consumer positions, half open. Files
being written lie in `_open/` beside the dates, so that publishing one is a rename within a file system.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

OPEN_FOLDER = "_open"
_NAME = re.compile(r"^p(\d+)-(\d+)-(\d+)\.parquet$")

SYSTEM_FIELDS: tuple[pa.Field, ...] = (
    pa.field("_partition", pa.int32(), nullable=False),
    pa.field("_offset", pa.int64(), nullable=False),
    pa.field("_row", pa.int32(), nullable=False),
    pa.field("_append_time", pa.timestamp("ms", tz="UTC"), nullable=False),
    pa.field("_time", pa.timestamp("ms", tz="UTC"), nullable=False),
    pa.field("_schema_version", pa.int32(), nullable=False),
)
"""Columns that every archive file has after the stream's own: where a row came from, and when."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One published file: the records of one partition from position `first` up to, not including, `next_offset`."""

    path: Path
    topic_id: str
    partition: int
    first: int
    next_offset: int
    read_from: int = 0
    """Rows of lower offsets are another file's too, and read from there (offsets reset by hand)."""

    @classmethod
    def parse(cls, path: Path) -> "ArchiveFile | None":
        """What a path says; None where it is not an archive file's."""
        match = _NAME.match(path.name)
        if match is None:
            return None
        partition, first, next_offset = (int(part) for part in match.groups())
        return cls(path, path.parent.parent.name, partition, first, next_offset)

    @property
    def source(self) -> tuple[str, int]:
        """The partition of the incarnation it was read from."""
        return self.topic_id, self.partition


def relative_name(*, append_ms: int, partition: int, first: int, next_offset: int) -> str:
    """A file's path below its topic's folder, dated by its first record's append time (UTC)."""
    day = datetime.fromtimestamp(append_ms / 1000, UTC).date().isoformat()
    return f"date={day}/p{partition}-{first}-{next_offset}.parquet"


def outermost(files: Iterable[ArchiveFile]) -> list[ArchiveFile]:
    """The files to read, ordered by topic, partition and position: those whose range lies within another's are left
    out, and of two that overlap the later gives only what the earlier does not have."""
    kept: list[ArchiveFile] = []
    order = sorted(files, key=lambda f: (f.topic_id, f.partition, f.first, -f.next_offset, f.path))
    for file in order:
        before = kept[-1] if kept and kept[-1].source == file.source else None
        if before is None:
            kept.append(file)
        elif file.next_offset > before.next_offset:
            kept.append(replace(file, read_from=before.next_offset) if file.first < before.next_offset else file)
    return kept
