"""Files of events, Parquet or CSV, read in order and in bounded memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from detectors.columns import ARROW_TYPES, Kind
from pipeline.config import ColumnSpec, StreamSpec, TimeUnit
from pipeline.errors import ConfigError
from pipeline.lake.synthetic_layout import is_synthetic, refused_as_real

BATCH_ROWS = 16_384
_CSV_BLOCK_BYTES = 4 * 1024 * 1024
_TIME = ARROW_TYPES[Kind.TIME][0]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file of events. With a spec its batches have the spec's columns and types, else the file's own."""

    path: Path
    spec: StreamSpec | None
    rows: int | None
    """None where only reading would tell (CSV)."""
    schema: pa.Schema
    """Of the batches."""

    @classmethod
    def open(cls, path: str | Path, spec: StreamSpec | None = None, *, allow_synthetic: bool = False) -> "EventFile":
        """Look at a file. Raises ConfigError where it is missing, unreadable, shares no column with the spec, or holds
        synthetic rows and nobody said that these will do."""
        path = Path(path)
        if not path.is_file():
            raise ConfigError(f"there is no file {path}: give the path of a .parquet or .csv file")
        try:
            rows, schema = _look(path, spec, allow_synthetic=allow_synthetic)
        except (pa.ArrowInvalid, OSError) as error:
            raise ConfigError(f"{path} cannot be read ({error}): give a .parquet or .csv file") from error
        if spec is not None:
            _share_columns(path, schema, spec)
        return cls(path=path, spec=spec, rows=rows, schema=schema if spec is None else spec.schema())

    def batches(self, *, limit: int | None = None) -> Iterator[pa.RecordBatch]:
        """The file's events in file order, at most `limit` of them; one row group or block in memory at a time."""
        left = limit
        try:
            for batch in _read(self.path, self.spec):
                if left is not None:
                    if left <= 0:
                        return
                    batch = batch.slice(0, left)
                    left -= batch.num_rows
                if batch.num_rows:
                    yield batch if self.spec is None else conform(batch, self.spec)
        except (pa.ArrowInvalid, OSError) as error:
            raise ConfigError(
                f"{self.path} cannot be read ({error}): mend the file, or state its columns in a stream spec"
            ) from error


def conform(batch: pa.RecordBatch, spec: StreamSpec) -> pa.RecordBatch:
    """A batch under a spec's schema: columns picked by name, absent ones null, values converted without loss.

    Raises ConfigError naming the column that cannot be converted.
    """
    columns = [_conform_column(batch, column) for column in spec.columns]
    return pa.RecordBatch.from_arrays(columns, schema=spec.schema())


def _conform_column(batch: pa.RecordBatch, column: ColumnSpec) -> pa.Array:
    wanted = column.arrow_field().type
    if column.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, wanted)
    values = batch.column(column.name)
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        if column.kind is Kind.TIME:
            return _times(values, column.unit)
        if pa.types.is_floating(values.type) and wanted == pa.float64():
            values = pc.if_else(pc.is_finite(values), values, None)
        return values.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ConfigError(
            f"column {column.name!r} of the file ({values.type}) does not fit kind {column.kind.value}: {error}. "
            "Change the column's kind in the stream spec, or the file"
        ) from error


def _times(values: pa.Array, unit: TimeUnit) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        if values.type.tz is None:
            values = pc.assume_timezone(values, "UTC")
        return values.cast(_TIME, safe=False)
    if pa.types.is_date(values.type):
        return pc.assume_timezone(values.cast(pa.timestamp("us")), "UTC")
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _parsed_times(values.cast(pa.string()))
    micros = {TimeUnit.SECONDS: 1_000_000, TimeUnit.MILLISECONDS: 1_000, TimeUnit.MICROSECONDS: 1}.get(unit, 1_000_000)
    return pc.multiply(values.cast(pa.float64()), micros).cast(pa.int64(), safe=False).cast(_TIME)


def _parsed_times(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
    has_zone = pc.all(pc.match_substring_regex(texts, r"(Z|[+-]\d\d:?\d\d)$")).as_py()
    if has_zone:
        return texts.cast(_TIME)
    return pc.assume_timezone(texts.cast(pa.timestamp("us")), "UTC")


def _look(path: Path, spec: StreamSpec | None, *, allow_synthetic: bool) -> tuple[int | None, pa.Schema]:
    if path.suffix.lower() == ".csv":
        with _open_csv(path, spec) as reader:
            return None, reader.schema
    with pq.ParquetFile(path) as parquet:
        if is_synthetic(parquet.metadata.metadata) and not allow_synthetic:
            raise refused_as_real(path)
        return parquet.metadata.num_rows, parquet.schema_arrow


def _read(path: Path, spec: StreamSpec | None) -> Iterator[pa.RecordBatch]:
    if path.suffix.lower() == ".csv":
        with _open_csv(path, spec) as reader:
            yield from reader
        return
    with pq.ParquetFile(path) as parquet:
        names = None if spec is None else [c.name for c in spec.columns if c.name in parquet.schema_arrow.names]
        yield from parquet.iter_batches(batch_size=BATCH_ROWS, columns=names)


def _open_csv(path: Path, spec: StreamSpec | None) -> pyarrow.csv.CSVStreamingReader:
    types = {} if spec is None else {c.name: _csv_type(c) for c in spec.columns}
    return pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True),
    )


def _csv_type(column: ColumnSpec) -> pa.DataType:
    if column.kind is not Kind.TIME:
        return column.arrow_field().type
    return pa.string() if column.unit is TimeUnit.ISO8601 else pa.float64()


def _share_columns(path: Path, schema: pa.Schema, spec: StreamSpec) -> None:
    if not set(schema.names) & {c.name for c in spec.columns}:
        raise ConfigError(
            f"{path} has none of the columns of stream {spec.stream!r} (it has {', '.join(schema.names[:12])}): "
            "give another file, or run `eddyline init --from` on this one"
        )
