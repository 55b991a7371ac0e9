"""The lake: three roots on one file system, `real`, `synthetic` and `metadata`. Free of Kafka."""

from pipeline.lake.lake import Lake
from pipeline.lake.layout import SYSTEM_FIELDS, ArchiveFile

__all__ = ["SYSTEM_FIELDS", "ArchiveFile", "Lake"]
