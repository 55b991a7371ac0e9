"""Topic → Parquet, exactly once: one file per partition range, its commit before its publication."""

from pipeline.archive.archiver import Archiver, archive_group, member_name
from pipeline.archive.progress import Progress

__all__ = ["Archiver", "Progress", "archive_group", "member_name"]
