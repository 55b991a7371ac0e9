"""What a detector learns from and what its threshold is calibrated on: the archive, split in time.

The calibration part is the newest quarter and is never fitted on, so that the promise of alerts per day is made on rows
as new to the detector as tomorrow's. Frauds, faults and attacks that happened stay in both parts: nobody labels an
archive. The fit is made on an even sample of the older part; the held-out part is read once more after it, batch by
batch, and only what is asked of each batch stays in memory. Rows that derive columns are all walked through, in order
of offset, both times.

Shape legend: B rows of a batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Role, feature_fields, window_fields
from detectors.context.hashing import hash_columns
from detectors.feedback import RowLabels
from pipeline.batch_faults import ColumnBounds
from pipeline.batch_profile import BatchProfile
from pipeline.batch_profiling import Profiler, bounds_of
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.enriched_rows import OFFSET, OrderedArchive, Rows, enriched_rows, row_bytes
from pipeline.jobs.row_sample import RowSample, in_time
from pipeline.jobs.split import Split, split_at
from pipeline.state.recipe import Recipe, recipe_of

MINIMUM_ROWS = 500
"""Fewer rows than this are refused: neither a likelihood nor a tail can be learned from them."""
CALIBRATION_SHARE = 0.25
MOST_SAMPLE_BYTES = 400 * 1024 * 1024
"""Of the sample that is fitted on: windows are wide, and so fewer rows of them are taken."""
MOST_JUDGED_ROWS = 20_000
"""Rows that people spoke of, which are kept beside the sample: they are few and tell much."""
VERDICT = "_verdict"
Int64s = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class LeaveOut(Protocol):
    """Says which rows nothing is to be learned from, and which people spoke of."""

    @property
    def columns(self) -> Sequence[str]:
        """What it reads beside what training reads."""

    def kept_for_fit(self, rows: Rows) -> Mask:
        """Which rows of the older part may be learned from, (B,)."""

    def kept_for_calibration(self, rows: Rows) -> Mask:
        """Which rows of the newest part the threshold is calibrated on, (B,)."""

    def labels(self, rows: Rows) -> RowLabels:
        """What people said of rows."""

    def facts(self) -> dict[str, Any]:
        """What a bundle says of the rows that it did not learn from, once the fitted part was read."""


class Archive(OrderedArchive, Protocol):
    """The part of the lake that training reads."""

    def files(self, stream: str) -> object:
        """A stream's archive files; false where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Rows of the calibration part. B rows."""

    batch: pa.RecordBatch
    times_ms: Int64s
    """Shape (B,)."""
    groups: Int64s
    """Shape (B,): one number per (partition, key), as alerts are grouped."""


class TrainingData:
    """A stream's archive, ready to learn from. Memory is bounded by the sample."""

    def __init__(
        self,
        spec: StreamSpec,
        archive: Archive,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        seed: int = 0,
        calibration_share: float = CALIBRATION_SHARE,
        leave_out: LeaveOut | None = None,
    ) -> None:
        """Reads the window's times. Raises ConfigError where nothing is archived and where there are too few rows."""
        self._spec, self._archive, self._seed, self._leave_out = spec, archive, seed, leave_out
        self._window = start_ms, end_ms
        self._recipe = recipe_of(spec)
        self.schema: pa.Schema = spec.schema() if self._recipe is None else self._recipe.schema
        self.split = self._split(calibration_share)
        self.fit_part_rows = 0
        """Rows older than the calibration part that may be learned from, known once the sample was drawn."""
        self.labels: RowLabels | None = None
        """What people said of the sample's rows; None where nobody was asked."""
        self._bounds: dict[str, ColumnBounds] | None = None
        self.profile: BatchProfile | None = None
        """What batches usually look like, known once the sample was drawn and the held-out rows were gone through."""

    def _split(self, share: float) -> Split:
        spec, (start_ms, end_ms) = self._spec, self._window
        found = None
        if self._archive.files(spec.stream):
            times = self._archive.iterate_in_order(
                spec.stream, start_ms=start_ms, end_ms=end_ms, columns=["_time"], history=False
            )
            found = split_at((rows.times_ms for rows in times), share=share)
        if found is None:
            raise ConfigError(
                f"nothing of stream {spec.stream!r} is archived in that window: run `eddyline archive` while events "
                "arrive (or after `eddyline replay`), then train; or widen --from and --to"
            )
        if found.rows < MINIMUM_ROWS:
            raise ConfigError(
                f"{found.rows:,} archived rows are too few to learn stream {spec.stream!r} from ({MINIMUM_ROWS:,} at "
                "least, a week is better): let `eddyline archive` run longer, or widen --from and --to"
            )
        return found

    def fit_sample(self) -> pa.Table:
        """At most `detector.max_rows` of the older rows, oldest first, and those that people spoke of."""
        most = min(self._spec.detector.max_rows, max(MINIMUM_ROWS, MOST_SAMPLE_BYTES // row_bytes(self.schema)))
        sample, judged = RowSample(most, seed=self._seed), RowSample(MOST_JUDGED_ROWS, seed=self._seed)
        divider, newer = self.split.divider(), 0
        for found in self._rows(self._window[0]):
            held_out = divider.held_out(found.times_ms)
            rows = found.take(np.flatnonzero(~held_out))
            if self._leave_out is not None and rows.batch.num_rows:
                rows = self._offer_judged(self._leave_out, rows, judged)
            sample.offer(rows.batch, rows.times_ms)
            if self._leave_out is not None and held_out.any():
                newer += self._offer_newer(self._leave_out, found.take(np.flatnonzero(held_out)), judged)
        self.fit_part_rows = sample.rows + judged.rows - newer
        table = sample.table(self.schema) if self._leave_out is None else self._with_judged(sample, judged)
        self._bounds = bounds_of(table, self._spec.schema())
        return table

    def _offer_judged(self, leave_out: LeaveOut, found: Rows, judged: RowSample) -> Rows:
        """Sets rows apart that people spoke of; returns those that nobody did and that may be learned from."""
        rows = found.take(np.flatnonzero(leave_out.kept_for_fit(found)))
        labels = leave_out.labels(rows)
        _offer(rows, labels, judged)
        return rows.take(np.flatnonzero(~labels.judged_N))

    def _offer_newer(self, leave_out: LeaveOut, found: Rows, judged: RowSample) -> int:
        """Sets rows of the calibration part apart that people spoke of, and returns how many: what is said of an alert
        is mostly said of a recent one. The threshold is still calibrated on the false positives among them."""
        labels, before = leave_out.labels(found), judged.rows
        kept = np.flatnonzero(labels.confirmed_N | leave_out.kept_for_calibration(found))
        _offer(found.take(kept), labels.take(kept), judged)
        return judged.rows - before

    def _with_judged(self, sample: RowSample, judged: RowSample) -> pa.Table:
        marked = self.schema.append(pa.field(VERDICT, pa.int8()))
        plain, times = sample.table_and_times(self.schema)
        spoken_of, spoken_times = judged.table_and_times(marked)
        plain = plain.append_column(VERDICT, pa.array(np.zeros(plain.num_rows, np.int8)))
        table, _ = in_time(pa.concat_tables([plain, spoken_of]), np.concatenate([times, spoken_times]))
        verdicts = table[VERDICT].to_numpy()
        self.labels = RowLabels(verdicts == 1, verdicts == -1)
        return table.drop_columns([VERDICT])

    def held_out(self) -> Iterator[HeldOut]:
        """The calibration part, partition by partition."""
        divider = self.split.divider()
        profiler = Profiler(self._bounds or {}, late_seconds=self._spec.scoring.late_seconds)
        for found in self._rows(self.split.cut_ms):
            rows = found.take(np.flatnonzero(divider.held_out(found.times_ms)))
            if self._leave_out is not None and rows.batch.num_rows:
                rows = rows.take(np.flatnonzero(self._leave_out.kept_for_calibration(rows)))
            if rows.batch.num_rows:
                groups = groups_of(rows.batch, rows.partition, self._spec)
                profiler.add(rows.batch, rows.times_ms)
                yield HeldOut(batch=rows.batch, times_ms=rows.times_ms, groups=groups)
        self.profile = profiler.profile() if self._bounds is not None else None

    def _rows(self, start_ms: int | None) -> Iterator[Rows]:
        return enriched_rows(
            self._spec,
            self._recipe,
            self._archive,
            columns=self._columns(),
            start_ms=start_ms,
            end_ms=self._window[1],
        )

    def _columns(self) -> list[str]:
        names = training_columns(self._spec, self._recipe)
        return names if self._leave_out is None else list(dict.fromkeys([*names, *self._leave_out.columns, OFFSET]))


def _offer(rows: Rows, labels: RowLabels, judged: RowSample) -> None:
    """The rows that people spoke of, with what they said."""
    said = np.flatnonzero(labels.judged_N)
    if len(said):
        verdicts = pa.array(np.where(labels.confirmed_N[said], 1, -1).astype(np.int8))
        judged.offer(rows.take(said).batch.append_column(VERDICT, verdicts), rows.times_ms[said])


def training_columns(spec: StreamSpec, recipe: Recipe | None = None) -> list[str]:
    """The archive's columns that training reads."""
    features = [field.name for field in feature_fields(spec.schema())]
    derived_from = recipe.columns if recipe is not None else ()
    return list(dict.fromkeys([*features, *spec.columns_with(Role.KEY), *derived_from]))


def groups_of(batch: pa.RecordBatch, partition: str, spec: StreamSpec) -> Int64s:
    """One number per (partition, key) of each row, shape (B,): the rows whose flags could join into one alert."""
    place = pa.repeat(pa.scalar(partition), batch.num_rows)
    keys = [batch[name] for name in spec.columns_with(Role.KEY)]
    return hash_columns([place, *keys], batch.num_rows).view(np.int64)


def empty_features(fit: pa.Table, stream: str) -> tuple[str, ...]:
    """Features without a single value in a table. Raises ConfigError where that is all of them."""
    names = [field.name for field in feature_fields(fit.schema)]
    empty = tuple(name for name in names if fit[name].null_count == fit.num_rows)
    if names and len(empty) == len(names) and not window_fields(fit.schema):
        raise ConfigError(
            f"every feature of stream {stream!r} is empty in the archive ({', '.join(empty[:12])}): compare the "
            "spec's column names and paths with an event (`eddyline deadletters show`, `eddyline init --from`)"
        )
    return empty


def milliseconds(column: pa.ChunkedArray) -> Int64s:
    """A timestamp column as milliseconds since the epoch, shape (B,)."""
    times = column.cast(pa.timestamp("ms", tz="UTC"), safe=False)
    return np.asarray(times.cast(pa.int64()).to_numpy(), dtype=np.int64)
