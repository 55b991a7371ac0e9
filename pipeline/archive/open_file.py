"""A Parquet file while it is written: under a temporary name, locked, row group by row group.

The lock (flock) tells a living writer's file from one that a dead process left: whoever cleans up takes the lock
first, so a stalled former owner can never remove the file of its successor.
"""

import contextlib
import fcntl
import os
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageUnavailableError
from pipeline.lake.durable import make_folders, storage_errors, sync_folder


def temporary_name(partition: int, first: int) -> str:
    """A name no other writer has, that says whose range it was."""
    return f"p{partition}-{first}-{uuid.uuid4().hex[:12]}.tmp"


class OpenParquet:
    """One temporary Parquet file. Every method raises StorageUnavailableError where the file system refuses."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        with storage_errors(path):
            make_folders(path.parent)
            self._lock = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        try:
            with storage_errors(path):
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._file = pa.OSFile(str(path), "wb")
                self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        except StorageUnavailableError:
            os.close(self._lock)
            path.unlink(missing_ok=True)
            raise

    def write(self, table: pa.Table) -> None:
        """Append one row group."""
        with storage_errors(self.path):
            self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def finish(self, facts: dict[str, str]) -> int:
        """Write the footer with `facts` and make the file durable. It keeps its temporary name and its lock.

        Returns the file's size in bytes.
        """
        with storage_errors(self.path):
            self._writer.add_key_value_metadata(facts)
            self._writer.close()
            self._file.close()
            os.fsync(self._lock)
            status = os.fstat(self._lock)
            if status.st_nlink == 0:
                raise FileNotFoundError(2, "the open file was removed by someone else", str(self.path))
            sync_folder(self.path.parent)
        return status.st_size

    def release(self) -> None:
        """Let go of the lock; the file stays where it is."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def discard(self) -> None:
        """Remove the file. Its space is free at once, even where the disk is full."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._lock, 0)
        # The footer that close() wants to write has no use any more, and may find no room.
        with contextlib.suppress(OSError, ValueError):
            self._writer.close()
        with contextlib.suppress(OSError, ValueError):
            self._file.close()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        self.release()


def remove_abandoned(folder: Path, partition: int, *, keep: str | None) -> list[str]:
    """Remove a partition's temporary files that no living process holds, but for `keep`. Returns their names."""
    removed = []
    for path in sorted(folder.glob(f"p{partition}-*.tmp")):
        if path.name == keep:
            continue
        with storage_errors(path):
            try:
                descriptor = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
                removed.append(path.name)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)
    return removed
