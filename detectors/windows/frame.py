"""Window columns → arrays that models share: each key's metrics on one scale, gaps filled, the rhythm of the clock.

A metric of a key is centred at its training median and divided by its training spread; beyond some `KNEE` spreads it
is drawn in as sign(z) · KNEE · log(1 + |z| / KNEE), so that a wild value stays larger than a strange one and drowns
nothing. A key without training history is scaled by its own window where that holds enough values, else by what is
usual among the keys. Missing steps take the last value before them (a window's missing beginning takes its first
value): what is filled in carries no score of its own.

Shape legend: B rows, F metrics, L steps of a window, K keys of training.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray, Tensors
from detectors.columns import Kind, Role, kind_of, roles_of, window_fields
from detectors.context.hashing import hash_columns
from detectors.errors import UnusableDataError
from detectors.features import column_of
from detectors.windows.enrichment import windows_of
from detectors.windows.filling import fill
from detectors.windows.kernel import Float32Array
from detectors.windows.scales import KeyScales
from detectors.windows.settings import WindowOrigin

KNEE = np.float32(10.0)
WILDEST = 1e4
"""Deviations beyond this many spreads are all alike."""
DAY_MICROSECONDS = 86_400_000_000
UNKNOWN = -1
UNKNOWN_TIME = -(2**63)


@dataclass(frozen=True, slots=True)
class Frame:
    """A batch as arrays."""

    x_BFL: Float32Array
    """Scaled and filled."""
    seen_BFL: npt.NDArray[np.bool_]
    """Where a value was there."""
    key_B: npt.NDArray[np.int64]
    """Which training key a row is of; UNKNOWN for others."""
    center_BF: FloatArray
    scale_BF: FloatArray
    """What the values were scaled by, to say things in the user's units."""
    rhythm_BR: Float32Array
    """Day and week as waves (R = 4); zeros without a time column or time."""
    moment_B: npt.NDArray[np.int64]
    """Microseconds since 1970, UNKNOWN_TIME without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCodec:
    """Which columns hold windows, and how their keys are scaled. Fitted once, immutable after."""

    columns: tuple[str, ...]
    metrics: tuple[str, ...]
    key: tuple[str, ...]
    time: str | None
    step_seconds: float | None
    length: int
    scales: KeyScales

    @classmethod
    def fit(cls, table: pa.Table) -> "WindowCodec":
        """Learn the scales of `table`'s window columns.

        Raises UnusableDataError where there is nothing to learn: no window columns, no rows, nothing but missing
        values, or windows of different lengths.
        """
        fields = window_fields(table.schema)
        if not fields:
            raise UnusableDataError("no column holds windows: give the stream a `windows` setting, or a row detector")
        if table.num_rows == 0:
            raise UnusableDataError("the table has no rows: archive some events first, or widen the time range")
        if len({field.type for field in fields}) > 1 or not pa.types.is_fixed_size_list(fields[0].type):
            raise UnusableDataError("window columns differ in length or are no fixed-size lists: make them in one go")
        length, origins = fields[0].type.list_size, [WindowOrigin.of(field) for field in fields]
        newest_NF = np.stack([windows_of(column_of(table, f.name), length, table.num_rows)[:, -1] for f in fields], 1)
        if np.isnan(newest_NF).all():
            raise UnusableDataError("every value of every window is missing: check the metrics' names and paths")
        key = tuple(name for name in origins[0].key if name in table.schema.names)
        hashes_N = hash_columns([column_of(table, name) for name in key], table.num_rows)
        times = [f.name for f in table.schema if Role.TIME in roles_of(f) and kind_of(f) is Kind.TIME]
        return cls(
            columns=tuple(field.name for field in fields),
            metrics=tuple(origin.metric for origin in origins),
            key=key,
            time=times[0] if times else None,
            step_seconds=origins[0].step_seconds,
            length=length,
            scales=KeyScales.fit(newest_NF.astype(np.float64), hashes_N),
        )

    def frame(self, batch: pa.RecordBatch | pa.Table, *, as_new: bool = False) -> Frame:
        """Encode every row; absent columns are missing. An absent key column makes every row's key unknown, as
        `as_new` does."""
        B, F, L = batch.num_rows, len(self.columns), self.length
        x_BFL = np.empty((B, F, L), dtype=np.float32)
        for f, name in enumerate(self.columns):
            x_BFL[:, f] = windows_of(column_of(batch, name), L, B)
        key_B = np.full(B, UNKNOWN, dtype=np.int64) if as_new else self.keys(batch)
        center_BF, scale_BF = self.scales.of(key_B, x_BFL)
        seen_BFL = np.empty((B, F, L), dtype=np.bool_)
        fill(x_BFL, center_BF, scale_BF, WILDEST, seen_BFL)
        x_BFL = np.copysign(KNEE * np.log(1.0 + np.abs(x_BFL) * np.float32(1.0 / KNEE)), x_BFL)
        moment_B = self.moments(batch)
        return Frame(x_BFL, seen_BFL, key_B, center_BF, scale_BF, rhythm(moment_B), moment_B)

    def keys(self, batch: pa.RecordBatch | pa.Table) -> npt.NDArray[np.int64]:
        """Which training key each row is of, (B,)."""
        columns = [column_of(batch, name) for name in self.key]
        present = [column for column in columns if column is not None]
        if len(present) < len(columns):
            return np.full(batch.num_rows, UNKNOWN, dtype=np.int64)
        return self.scales.find(hash_columns(present, batch.num_rows))

    def moments(self, batch: pa.RecordBatch | pa.Table) -> npt.NDArray[np.int64]:
        """Each row's time in microseconds since 1970, (B,); UNKNOWN_TIME where it has none."""
        times = column_of(batch, self.time) if self.time else None
        if times is None or not batch.num_rows:
            return np.full(batch.num_rows, UNKNOWN_TIME, dtype=np.int64)
        microseconds = times.cast(pa.timestamp("us", tz="UTC")).view(pa.int64()).fill_null(UNKNOWN_TIME)
        return np.asarray(microseconds.to_numpy(zero_copy_only=False), dtype=np.int64)

    def document(self) -> dict[str, Any]:
        """Everything but the scales, as JSON."""
        return {
            "columns": list(self.columns),
            "metrics": list(self.metrics),
            "key": list(self.key),
            "time": self.time,
            "step_seconds": self.step_seconds,
            "length": self.length,
        }

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any]) -> "WindowCodec":
        """The codec that `document` and the scales' tensors described."""
        said: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
        }
        return cls(**said, scales=KeyScales.from_tensors(tensors))


def rhythm(moment_B: npt.NDArray[np.int64]) -> Float32Array:
    """A moment's place in the day and in the week as waves, (B, 4); zeros where it is unknown."""
    waves_BR = np.zeros((len(moment_B), 4), dtype=np.float32)
    for r, period in enumerate((DAY_MICROSECONDS, 7 * DAY_MICROSECONDS)):
        angle_B = 2.0 * np.pi * (moment_B % period) / period
        waves_BR[:, 2 * r], waves_BR[:, 2 * r + 1] = np.sin(angle_B), np.cos(angle_B)
    waves_BR[moment_B == UNKNOWN_TIME] = 0.0
    return waves_BR


def spreads(x: Any) -> Any:
    """Scaled values with the drawing-in undone: deviations in spreads."""
    return np.copysign(KNEE * np.expm1(np.abs(x) / KNEE), x)


def unscaled(x: float, center: float, scale: float) -> float:
    """A scaled value in the user's units."""
    return float(center + scale * spreads(np.float64(x)))
