"""The lake's three roots and what may be asked of them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from pipeline.errors import ConfigError
from pipeline.lake.contents import PartitionContents, contents
from pipeline.lake.in_order import OffsetReader, PartitionRows
from pipeline.lake.layout import ArchiveFile, outermost
from pipeline.lake.ledger import ArchiveLedger
from pipeline.lake.reader import DEFAULT_WINDOW_ROWS, ArchiveReader
from pipeline.lake.synthetic_layout import DatasetPlaces, published_ids
from pipeline.lake.synthetic_reader import SyntheticReader


class Lake:
    """A local folder with `real/`, `synthetic/` and `metadata/`, kept apart: no path of one lies in another."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    @property
    def metadata(self) -> Path:
        """Where everything that is about data lies, never data itself."""
        return self.root / "metadata"

    @property
    def synthetic(self) -> Path:
        """Where generated data lies."""
        return self.root / "synthetic"

    def real(self, stream: str) -> Path:
        """Where a stream's archive lies: one folder for each incarnation of its topic."""
        return self.root / "real" / stream

    def state(self, stream: str) -> Path:
        """Where snapshots of a stream's keyed state lie."""
        return self.metadata / "state" / stream

    def ledger(self, stream: str) -> ArchiveLedger:
        """High-water marks, gaps and schema versions of a stream's archive."""
        return ArchiveLedger(self.metadata / "archive" / stream)

    def files(self, stream: str) -> list[ArchiveFile]:
        """A stream's published files, ranges within another's left out, by topic id, partition and position."""
        parsed = (ArchiveFile.parse(path) for path in self.real(stream).glob("*/date=*/p*.parquet"))
        return outermost(file for file in parsed if file is not None)

    def contents(
        self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> list[PartitionContents]:
        """What a stream's archive holds with `start_ms` ≤ time < `end_ms`, by partition. Footers tell most of it."""
        return contents(self.files(stream), start_ms=start_ms, end_ms=end_ms)

    def columns(self, stream: str) -> list[str]:
        """The columns that any file of a stream's archive has; none where nothing is archived."""
        return list(ArchiveReader(self.files(stream), stream, None).schema.names)

    def iterate_real(
        self,
        stream: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        columns: Sequence[str] | None = None,
        window_rows: int = DEFAULT_WINDOW_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Archived rows with `start_ms` ≤ time < `end_ms`, ordered by time, partition, offset and row.

        Time is the event's where the stream has one, else append time. Memory is bounded by about `window_rows` rows
        of the columns asked for (all of them, with the system columns, where `columns` is None), however long the
        archive. Files of older and newer schema versions are unified: a column that a file lacks is null there.
        Raises ConfigError for a column that no file has, StorageUnavailableError for an unreadable file.
        """
        reader = ArchiveReader(self.files(stream), stream, columns)
        return reader.batches(start_ms=start_ms, end_ms=end_ms, window_rows=window_rows)

    def iterate_in_order(
        self,
        stream: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        columns: Sequence[str] | None = None,
        history: bool = False,
    ) -> Iterator[PartitionRows]:
        """Archived rows partition by partition in order of offset, as a scorer saw them; memory is bounded by a row
        group of the columns asked for.

        With `history` the rows outside the window come too, up to the partition's last row inside it. Raises
        ConfigError for a column that no file has, StorageUnavailableError for an unreadable file.
        """
        reader = OffsetReader(self.files(stream), stream, columns)
        return reader.rows(start_ms=start_ms, end_ms=end_ms, history=history)

    def read_real(
        self,
        stream: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """`iterate_real` as one table: everything in the window must fit in memory. Empty where nothing is archived."""
        reader = ArchiveReader(self.files(stream), stream, columns)
        batches = reader.batches(start_ms=start_ms, end_ms=end_ms, window_rows=DEFAULT_WINDOW_ROWS)
        return pa.Table.from_batches(batches, schema=reader.schema)

    def places(self, stream: str, dataset_id: str) -> DatasetPlaces:
        """Where the files of a synthetic dataset lie, and what is about it."""
        return DatasetPlaces(self.root, stream, dataset_id)

    def synthetic_datasets(self, stream: str) -> list[str]:
        """The ids of a stream's published datasets."""
        return published_ids(self.root, stream)

    def synthetic_reader(
        self, stream: str, dataset_id: str, *, columns: Sequence[str] | None = None
    ) -> SyntheticReader:
        """A published dataset, opened. Raises ConfigError where there is none of this id, or no such column."""
        folder = self.places(stream, dataset_id).published
        files = sorted(folder.glob("part-*.parquet"))
        if not files:
            raise ConfigError(
                f"stream {stream!r} has no published dataset {dataset_id}: `eddyline synth list {stream}` shows those "
                "there are"
            )
        return SyntheticReader(files, columns)

    def iterate_synthetic(
        self,
        stream: str,
        dataset_id: str,
        *,
        columns: Sequence[str] | None = None,
        time: str | None = None,
        window_rows: int = DEFAULT_WINDOW_ROWS,
    ) -> Iterator[pa.RecordBatch]:
        """Rows of a published dataset as they were made; in order of the column `time` where it is given, with memory
        bounded by about `window_rows` rows. Raises ConfigError as `synthetic_reader` does."""
        reader = self.synthetic_reader(stream, dataset_id, columns=columns)
        return reader.batches() if time is None else reader.batches_in_time(time, window_rows=window_rows)

    def read_synthetic(self, stream: str, dataset_id: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """`iterate_synthetic` as one table: everything must fit in memory."""
        reader = self.synthetic_reader(stream, dataset_id, columns=columns)
        return pa.Table.from_batches(reader.batches(), schema=reader.schema)
