"""The rows that drift is measured on: those of the champion's training window, and recent ones, each with its score.

Read as the scorer saw them; of long windows whole moments are left out evenly.

Shape legend: N rows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Kind, Role, feature_fields, kind_of, roles_of
from detectors.context.hashing import hash_columns
from pipeline.config import StreamSpec
from pipeline.expectations.window import moments_kept
from pipeline.jobs.enriched_rows import Rows, enriched_rows
from pipeline.jobs.training_data import Archive, training_columns
from pipeline.kafka.port import Int64Array
from pipeline.model_store import Bundle
from pipeline.state.recipe import recipe_of

FloatArray = npt.NDArray[np.float64]
MOST_ROWS = 200_000
MEASURED = (Kind.NUMERIC, Kind.CATEGORICAL, Kind.BOOLEAN)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRows:
    """Rows of one window."""

    table: pa.Table
    """The stream's own features that are measured."""
    times_ms: Int64Array
    """(N,)."""
    keys: npt.NDArray[np.uint64] | None
    """(N,) a hash of each row's key; None where the stream has no key."""
    scores: FloatArray | None
    """(N,) by the champion; None where there is none."""
    start_ms: int
    end_ms: int
    rows: int
    """All there were, those left out included."""

    def take(self, rows: npt.NDArray[np.bool_]) -> "DriftRows":
        """Some of the rows."""
        return DriftRows(
            table=self.table.filter(pa.array(rows)),
            times_ms=self.times_ms[rows],
            keys=None if self.keys is None else self.keys[rows],
            scores=None if self.scores is None else self.scores[rows],
            start_ms=self.start_ms,
            end_ms=self.end_ms,
            rows=int(np.count_nonzero(rows)),
        )


def measured_columns(spec: StreamSpec) -> list[str]:
    """The columns whose drift is measured: features of the stream's own that are numbers or names. Keys are not: who
    comes is not what comes."""
    fields = [f for f in feature_fields(spec.schema()) if kind_of(f) in MEASURED]
    return [f.name for f in fields if not roles_of(f) & {Role.ID, Role.KEY, Role.LABEL}]


def drift_rows(
    spec: StreamSpec, archive: Archive, bundle: Bundle | None, *, start_ms: int, end_ms: int, rows: int
) -> DriftRows:
    """The archived rows with `start_ms` ≤ time < `end_ms`, of which there are about `rows`, scored by a bundle.

    Raises StorageUnavailableError, ConfigError for a column that cannot be read as the spec says.
    """
    recipe = recipe_of(spec)
    columns = list(dict.fromkeys([*training_columns(spec, recipe), *measured_columns(spec)]))
    one_in = max(1, -(-rows // MOST_ROWS))
    parts: list[_Part] = []
    seen = 0
    for found in enriched_rows(spec, recipe, archive, columns=columns, start_ms=start_ms, end_ms=end_ms):
        seen += len(found.times_ms)
        kept = np.flatnonzero(moments_kept(found.times_ms, one_in))
        if len(kept):
            parts.append(_part(found.take(kept), spec, bundle))
    names = measured_columns(spec)
    empty = pa.schema([spec.schema().field(name) for name in names]).empty_table()
    keys = np.concatenate([np.empty(0, np.uint64), *(p.keys for p in parts if p.keys is not None)])
    scores = np.concatenate([np.empty(0), *(p.scores for p in parts if p.scores is not None)])
    return DriftRows(
        table=pa.Table.from_batches([part.batch for part in parts]) if parts else empty,
        times_ms=np.concatenate([np.empty(0, np.int64), *(part.times_ms for part in parts)]),
        keys=keys if spec.columns_with(Role.KEY) else None,
        scores=None if bundle is None else scores,
        start_ms=start_ms,
        end_ms=end_ms,
        rows=seen,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    batch: pa.RecordBatch
    times_ms: Int64Array
    keys: npt.NDArray[np.uint64] | None
    scores: FloatArray | None


def _part(rows: Rows, spec: StreamSpec, bundle: Bundle | None) -> _Part:
    keys = [rows.batch[name] for name in spec.columns_with(Role.KEY)]
    return _Part(
        rows.batch.select(measured_columns(spec)),
        rows.times_ms,
        hash_columns(keys, rows.batch.num_rows) if keys else None,
        None if bundle is None else bundle.detector.score(rows.batch),
    )
