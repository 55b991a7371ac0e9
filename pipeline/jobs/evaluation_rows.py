"""Rows that detectors are evaluated on: the newest of a stream's archive, or those of a file, in order of time.

Rows stay as the events came; what `context` and `windows` derive is added after anomalies were injected, by the same
classes as in service, so that an injected burst is seen by what counts events. States begin empty at the first row
read, so the rows learned from are their warm-up. Rows of one partition come in order of time here, in service in order
of offset: the two differ for late rows only.

Shape legend: N rows.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.event_files import EventFile, conform
from pipeline.event_samples import events_of_file
from pipeline.inference import infer_spec
from pipeline.jobs.enriched_rows import row_bytes
from pipeline.jobs.training_data import groups_of, milliseconds
from pipeline.lake.lake import Lake
from pipeline.role_guesses import Wishes
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import recipe_of

Int64s = npt.NDArray[np.int64]
MOST_BATCH_BYTES = 32 * 1024 * 1024
FILE_STREAM = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRows:
    """Rows under the spec's schema, oldest first."""

    table: pa.Table
    times_ms: Int64s
    """Shape (N,); the place in the file where there is no clock."""
    partition_N: Int64s
    has_clock: bool

    def slice(self, start: int, stop: int) -> "EvaluationRows":
        """Rows `start` to `stop`."""
        return EvaluationRows(
            table=self.table.slice(start, stop - start),
            times_ms=self.times_ms[start:stop],
            partition_N=self.partition_N[start:stop],
            has_clock=self.has_clock,
        )

    def groups(self, spec: StreamSpec) -> Int64s:
        """One number per (partition, key) of each row, (N,)."""
        [batch] = self.table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], self.table.schema)]
        return groups_of(batch, "", spec) ^ self.partition_N


def rows_of_stream(
    spec: StreamSpec, lake: Lake, *, start_ms: int | None, end_ms: int | None, most: int
) -> EvaluationRows:
    """The newest `most` archived rows of a window. Raises ConfigError where there are none."""
    if not lake.files(spec.stream):
        raise ConfigError(f"nothing of stream {spec.stream!r} is archived: run `eddyline archive {spec.stream}` first")
    kept: deque[pa.RecordBatch] = deque()
    rows = 0
    for batch in lake.iterate_real(spec.stream, start_ms=start_ms, end_ms=end_ms):
        kept.append(batch)
        rows += batch.num_rows
        while rows - kept[0].num_rows >= most:
            rows -= kept.popleft().num_rows
    if not rows:
        raise ConfigError(f"nothing of stream {spec.stream!r} is archived in that window: widen --from and --to")
    archived = pa.Table.from_batches(kept).slice(max(0, rows - most))
    return EvaluationRows(
        table=_conformed(archived.to_batches(), spec),
        times_ms=milliseconds(archived["_time"]),
        partition_N=np.asarray(archived["_partition"].to_numpy(), dtype=np.int64),
        has_clock=True,
    )


def rows_of_file(spec: StreamSpec, path: Path, *, most: int) -> EvaluationRows:
    """The newest `most` rows of a file under a spec, sorted by its clock where it has one. Raises ConfigError."""
    table = _conformed(EventFile.open(path, spec).batches(), spec)
    if not table.num_rows:
        raise ConfigError(f"{path} has no rows: give a file that has some")
    clock = spec.column_with(Role.TIME)
    if clock is not None and table[clock].null_count < table.num_rows:
        newest = pc.max(table[clock])  # rows without a time sort last
        table = table.sort_by(clock)
        table = table.slice(max(0, table.num_rows - most))
        times = milliseconds(table[clock].fill_null(newest))
        return EvaluationRows(table=table, times_ms=times, partition_N=np.zeros_like(times), has_clock=True)
    table = table.slice(max(0, table.num_rows - most))
    places = np.arange(table.num_rows, dtype=np.int64)
    return EvaluationRows(table=table, times_ms=places, partition_N=np.zeros_like(places), has_clock=False)


def spec_of_file(path: Path, *, key: str | None, label: str | None) -> StreamSpec:
    """The spec that `eddyline init` would guess for a file. Raises ConfigError where nothing could be scored."""
    sample = events_of_file(path)
    wishes = Wishes(key=key, label=label)
    return infer_spec(sample.events, stream=FILE_STREAM, topic=FILE_STREAM, format=sample.format, wishes=wishes).spec


def enriched(rows: EvaluationRows, spec: StreamSpec, *, warmed: Mapping[int, Enricher] | None = None) -> pa.Table:
    """The rows with what the spec derives, in the same order; the label is left out, so that no detector can see it.

    States begin empty, or, by partition, as `warmed` by the rows before; these are moved past the rows.
    """
    labels = spec.columns_with(Role.LABEL)
    recipe = recipe_of(spec)
    if recipe is None:
        return rows.table.drop_columns(labels)
    parts: list[pa.RecordBatch] = []
    places: list[Int64s] = []
    most = max(1_024, MOST_BATCH_BYTES // row_bytes(recipe.schema))
    for partition in np.unique(rows.partition_N):
        mine = np.flatnonzero(rows.partition_N == partition)
        enricher = (warmed or {}).get(int(partition)) or Enricher(recipe)
        for start in range(0, len(mine), most):
            at = mine[start : start + most]
            [batch] = rows.table.take(pa.array(at)).combine_chunks().to_batches()
            parts.append(enricher.advance(batch, rows.times_ms[at], next_offset=0))
        places.append(mine)
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.Table.from_batches(parts).take(pa.array(order)).drop_columns(labels)


def _conformed(batches: Iterable[pa.RecordBatch], spec: StreamSpec) -> pa.Table:
    return pa.Table.from_batches([conform(batch, spec) for batch in batches], schema=spec.schema())
