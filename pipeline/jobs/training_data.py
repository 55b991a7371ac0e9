"""What a detector learns from and what its threshold is calibrated on: the archive's newest rows, split in time order.

The calibration part is the newest and is never fitted on, so that the promise of alerts per day is made on rows as new
to the detector as tomorrow's. Frauds, faults and attacks that happened stay in both parts: nobody labels an archive.

Shape legend: B rows of the calibration part.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role, feature_fields
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.event_files import conform

MINIMUM_ROWS = 500
"""Fewer rows than this are refused: neither a likelihood nor a tail can be learned from them."""
CALIBRATION_SHARE = 0.25
_SYSTEM_COLUMNS = ("_partition", "_time")
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingData:
    """A stream's archive, ready to learn from."""

    fit: pa.Table
    """Under the spec's schema, oldest first."""
    calibration: pa.Table
    """The newest rows, under the spec's schema, oldest first."""
    calibration_times_ms: Int64s
    """Shape (B,)."""
    calibration_groups: Int64s
    """Shape (B,): one number per (partition, key), as alerts are grouped."""
    start_ms: int
    end_ms: int
    """Of the newest row."""
    empty_features: tuple[str, ...]
    """Features without a single value in the fit part."""

    @property
    def rows(self) -> int:
        """Of both parts."""
        return int(self.fit.num_rows + self.calibration.num_rows)


def training_columns(spec: StreamSpec) -> list[str]:
    """The archive's columns that training reads."""
    features = [field.name for field in feature_fields(spec.schema())]
    return list(dict.fromkeys([*features, *spec.columns_with(Role.KEY), *_SYSTEM_COLUMNS]))


def newest_rows(batches: Iterable[pa.RecordBatch], most: int) -> pa.Table | None:
    """The last `most` rows of batches in order of time; None where there is no batch. Memory is bounded by them."""
    kept: deque[pa.RecordBatch] = deque()
    rows = 0
    for batch in batches:
        kept.append(batch)
        rows += batch.num_rows
        while rows - kept[0].num_rows >= most:
            rows -= kept.popleft().num_rows
    if not kept:
        return None
    return pa.Table.from_batches(kept).slice(max(0, rows - most))


def split(table: pa.Table | None, spec: StreamSpec, *, calibration_share: float = CALIBRATION_SHARE) -> TrainingData:
    """Rows in order of time, with the system columns, into the two parts.

    Raises ConfigError where nothing is archived, where there are too few rows, and where no feature has a value.
    """
    rows = 0 if table is None else table.num_rows
    if table is None or rows == 0:
        raise ConfigError(
            f"nothing of stream {spec.stream!r} is archived in that window: run `eddyline archive` while events arrive "
            "(or after `eddyline replay`), then train; or widen --from and --to"
        )
    if rows < MINIMUM_ROWS:
        raise ConfigError(
            f"{rows:,} archived rows are too few to learn stream {spec.stream!r} from ({MINIMUM_ROWS:,} at least, a "
            "week is better): let `eddyline archive` run longer, or widen --from and --to"
        )
    first_held_out = rows - round(rows * calibration_share)
    fit = _under_the_spec(table.slice(0, first_held_out), spec)
    held_out = table.slice(first_held_out)
    times = milliseconds(table["_time"])
    return TrainingData(
        fit=fit,
        calibration=_under_the_spec(held_out, spec),
        calibration_times_ms=times[first_held_out:],
        calibration_groups=groups_of(held_out, spec),
        start_ms=int(times[0]),
        end_ms=int(times[-1]),
        empty_features=_empty_features(fit, spec),
    )


def groups_of(table: pa.Table, spec: StreamSpec) -> Int64s:
    """One number per (partition, key) of each row, shape (B,): the rows whose flags could join into one alert."""
    columns = ["_partition", *spec.columns_with(Role.KEY)]
    group = np.zeros(table.num_rows, dtype=np.int64)
    for name in columns:
        codes = pc.dictionary_encode(table[name].combine_chunks(), null_encoding="encode").indices.to_numpy()
        _, group = np.unique(group * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)
    return group.astype(np.int64)


def milliseconds(column: pa.ChunkedArray) -> Int64s:
    """A timestamp column as milliseconds since the epoch, shape (B,)."""
    return np.asarray(column.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64()).to_numpy(), dtype=np.int64)


def _under_the_spec(table: pa.Table, spec: StreamSpec) -> pa.Table:
    batches = [conform(batch, spec) for batch in table.to_batches()]
    return pa.Table.from_batches(batches, schema=spec.schema())


def _empty_features(fit: pa.Table, spec: StreamSpec) -> tuple[str, ...]:
    names = [field.name for field in feature_fields(spec.schema())]
    empty = tuple(name for name in names if fit[name].null_count == fit.num_rows)
    if len(empty) == len(names):
        raise ConfigError(
            f"every feature of stream {spec.stream!r} is empty in the archive ({', '.join(empty[:12])}): compare the "
            "spec's column names and paths with an event (`eddyline deadletters show`, `eddyline init --from`)"
        )
    return empty
