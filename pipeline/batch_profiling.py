"""Makes a stream's batch profile at training: bounds from the rows fitted on, usual shares from the rows held out."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, feature_fields, kind_of, names_with_role, roles_of
from pipeline.batch_faults import BoolArray, ColumnBounds, Fault, late, stalled
from pipeline.batch_profile import LONG, SHORT, BatchProfile, Usual

MOST_LEVELS = 2_000
"""A column of more is not asked for new ones: it brings them every day."""
TAIL = 5e-4
"""Beyond the middle of so much on either side a number counts as out of range: a few always are."""


def bounds_of(fitted: pa.Table, schema: pa.Schema) -> dict[str, ColumnBounds]:
    """The bounds of a stream's features and keys, from the rows fitted on. `schema` is the stream's own: what is
    derived follows from it."""
    fields = {field.name: field for field in feature_fields(schema)}
    fields |= {name: schema.field(name) for name in names_with_role(schema, Role.KEY)}
    return {
        name: _bounds(name, kind_of(field) or Kind.TEXT, fitted[name], is_feature=Role.FEATURE in roles_of(field))
        for name, field in fields.items()
        if name in fitted.column_names
    }


class Profiler:
    """Counts how often held-out rows break bounds, batch by batch."""

    def __init__(self, bounds: Mapping[str, ColumnBounds], *, late_seconds: float) -> None:
        self._columns = dict(bounds)
        self._late_ms = round(late_seconds * 1000)
        self._tallies: dict[tuple[str, Fault], _Tally] = {}

    def add(self, batch: pa.RecordBatch, times_ms: npt.NDArray[np.int64]) -> None:
        """Held-out rows, in order, with their times."""
        for name, bounds in self._columns.items():
            at = batch.schema.get_field_index(name)
            for fault in bounds.faults:
                column = batch.column(at) if at >= 0 else None
                self._count(name, fault, bounds.marks(fault, column, batch.num_rows))
        newest_ms = np.maximum.accumulate(times_ms)
        self._count("", Fault.STALLED, stalled(newest_ms))
        self._count("", Fault.LATE, late(times_ms, newest_ms, self._late_ms))

    def _count(self, column: str, fault: Fault, marks_B: BoolArray) -> None:
        self._tallies.setdefault((column, fault), _Tally()).add(marks_B)

    def profile(self) -> BatchProfile:
        """What was found."""
        return BatchProfile(columns=self._columns, usual={at: t.usual() for at, t in self._tallies.items()})


class _Tally:
    """Counts marks in blocks of `SHORT` consecutive rows."""

    def __init__(self) -> None:
        self._blocks: list[int] = []
        self._rest = np.zeros(0, dtype=np.bool_)
        self._rows = self._marked = 0

    def add(self, marks_B: BoolArray) -> None:
        self._rows += len(marks_B)
        self._marked += int(np.count_nonzero(marks_B))
        rows = np.concatenate([self._rest, marks_B])
        whole = len(rows) // SHORT * SHORT
        self._blocks += rows[:whole].reshape(-1, SHORT).sum(axis=1).tolist()
        self._rest = rows[whole:]

    def usual(self) -> Usual:
        blocks = np.array(self._blocks or [0])
        several = LONG // SHORT
        sums = np.convolve(blocks, np.ones(several), "valid") if len(blocks) >= several else blocks.sum(keepdims=True)
        return Usual(
            rows=self._rows,
            marked=self._marked,
            highest=float(blocks.max() / SHORT),
            highest_long=float(sums.max() / (SHORT * min(several, len(blocks)))),
        )


def _bounds(name: str, kind: Kind, column: pa.ChunkedArray, *, is_feature: bool) -> ColumnBounds:
    """A key's values come and go: it is asked only whether it is there."""
    if kind is Kind.NUMERIC and is_feature:
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = np.quantile(values, [TAIL, 1.0 - TAIL], method="closest_observation")
            return ColumnBounds(name=name, kind=kind, low=float(low), high=float(high))
    if kind in (Kind.CATEGORICAL, Kind.BOOLEAN) and is_feature and pc.count_distinct(column).as_py() <= MOST_LEVELS:
        levels = frozenset(value for value in column.unique().to_pylist() if value is not None)
        return ColumnBounds(name=name, kind=kind, levels=levels)
    return ColumnBounds(name=name, kind=kind)
