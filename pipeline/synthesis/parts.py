"""The files of a dataset while it is made: a part appears whole, is written down with its hash, and is never touched
again. Restart: parts written down whose content still fits are kept; anything else in the folder is removed and made
again, and comes out the same, since every chunk has its own seed.
"""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ConfigError
from pipeline.lake.durable import make_folders, read_json, storage_errors, sync_file, sync_folder, to_json, write_atomic
from pipeline.lake.synthetic_layout import DATASET_KEY, ORIGIN_KEY, SYNTHETIC, DatasetPlaces, part_name

_BLOCK_BYTES = 1 << 20
_TEMPORARY = ".part.tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFile:
    """One complete data file."""

    name: str
    rows: int
    size_bytes: int
    sha256: str


class PartFolder:
    """The folder that one dataset is made in, locked against a second maker. Raises StorageUnavailableError."""

    def __init__(self, places: DatasetPlaces) -> None:
        self._places = places
        self._folder = places.making
        self.complete: dict[str, PartFile] = {}
        """By name; what a run before left behind, and what this one added."""

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset for this process. Raises ConfigError where another makes it now."""
        with storage_errors(self._places.about):
            make_folders(self._places.about)
            descriptor = os.open(self._places.about, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise ConfigError(
                f"dataset {self._places.dataset_id} is being made by another process right now: wait for it, or ask "
                "with another --seed"
            ) from None
        finally:
            os.close(descriptor)

    def recover(self) -> None:
        """Keep the parts that are written down and whole; remove everything else."""
        with storage_errors(self._folder):
            make_folders(self._folder)
            known = (read_json(self._places.progress) or {}).get("parts", [])
            self.complete = {}
            for part in (PartFile(**entry) for entry in known):
                path = self._folder / part.name
                if path.is_file() and (path.stat().st_size, file_sha256(path)) == (part.size_bytes, part.sha256):
                    self.complete[part.name] = part
            for path in self._folder.iterdir():
                if path.name not in self.complete:
                    path.unlink()

    def add(self, part: int, chunks: Iterable[pa.Table], on_rows: Callable[[int], None]) -> PartFile:
        """Write one part, a row group for each chunk; it counts once it is written down."""
        temporary, final = self._folder / _TEMPORARY, self._folder / part_name(part)
        try:
            rows = self._write(temporary, iter(chunks), on_rows)
            with storage_errors(temporary):
                sync_file(temporary)
                done = PartFile(
                    name=final.name, rows=rows, size_bytes=temporary.stat().st_size, sha256=file_sha256(temporary)
                )
                os.rename(temporary, final)
                sync_folder(self._folder)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        self.complete[final.name] = done
        write_atomic(self._places.progress, to_json({"parts": [asdict(p) for p in self.parts()]}))
        return done

    def parts(self) -> list[PartFile]:
        """The complete files, in order."""
        return [self.complete[name] for name in sorted(self.complete)]

    def paths(self) -> list[Path]:
        """Where they lie."""
        return [self._folder / part.name for part in self.parts()]

    def drop_if_empty(self) -> None:
        """Leave no trace of a dataset of which no part was completed."""
        if not self.complete and self._folder.is_dir():
            with storage_errors(self._folder):
                self._folder.rmdir()

    def _write(self, path: Path, chunks: Iterator[pa.Table], on_rows: Callable[[int], None]) -> int:
        marks = {ORIGIN_KEY: SYNTHETIC, DATASET_KEY: self._places.dataset_id.encode()}
        first = next(chunks)
        rows = 0
        with storage_errors(path):
            file = pa.OSFile(str(path), "wb")
        try:
            with storage_errors(path):
                writer = pq.ParquetWriter(file, first.schema.with_metadata(marks), compression="zstd")
            for chunk in chain([first], chunks):
                with storage_errors(path):
                    writer.write_table(chunk.replace_schema_metadata(marks), row_group_size=max(1, chunk.num_rows))
                rows += chunk.num_rows
                on_rows(chunk.num_rows)
            with storage_errors(path):
                writer.close()
                file.close()
        except BaseException:
            _abandon(path, file)
            raise
        return rows


def _abandon(path: Path, file: pa.NativeFile) -> None:
    """Close a file that will not be finished; its space is free at once, even where the disk is full."""
    with contextlib.suppress(OSError):
        os.truncate(path, 0)
    with contextlib.suppress(OSError, ValueError):
        file.close()


def file_sha256(path: Path) -> str:
    """The hash of a file's content, in hex; one block in memory at a time."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
