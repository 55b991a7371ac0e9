"""Rows that are there twice, as training leaves them out."""

from pipeline.config import DuplicatePolicy, StreamSpec
from pipeline.duplicates.rows import DuplicatesArchive, duplicate_rows
from pipeline.lifecycle.rows import Sort


def copies_of(
    spec: StreamSpec, lake: DuplicatesArchive, *, start_ms: int | None, end_ms: int | None
) -> tuple[Sort, ...]:
    """What the stream's policy leaves out of a window; nothing where it keeps copies. Goes through the window once."""
    if spec.retraining.duplicates is DuplicatePolicy.KEEP:
        return ()
    found = duplicate_rows(spec, lake, start_ms=start_ms, end_ms=end_ms)
    return (Sort(name="duplicates", leaves_out=found.leaves_out, columns=found.columns),)
