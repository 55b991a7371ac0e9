"""The held-out replay that a challenger is compared on: the newest rows of the archive, with anomalies put into them.

Anomalies go into the events as they came, and what `context` and `windows` derive is derived after that, by the
scorer's own class, from states that all archived rows before the replay have warmed: an injected burst is seen by what
counts events, and a customer's norms are those of service. Families and seeds are those of gates: no detector is taught
with them, and no canary is one of them.

Where the newest part of the archive is longer than `MOST_ROWS`, its newest stretch is replayed. Shape legend: N rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from detectors.columns import Role
from detectors.injection import Injected, Plan, Purpose, families_for, inject, possible_families, seed_for
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.event_files import conform
from pipeline.jobs.enriched_rows import MOST_BATCH_BYTES, OFFSET, OrderedArchive, row_bytes
from pipeline.jobs.evaluation_rows import EvaluationRows, enriched
from pipeline.jobs.evaluation_stage import altered
from pipeline.jobs.score_summary import Int64s, Mask
from pipeline.jobs.split import split_at
from pipeline.lifecycle.ports import Judge
from pipeline.lifecycle.rows import inside
from pipeline.lineage.windows import Span
from pipeline.state.enricher import Enricher
from pipeline.state.recipe import Recipe, recipe_of

MOST_ROWS = 40_000
LEAST_ROWS = 300
"""Fewer cannot tell one detector from another."""
LEAST_SHARE, MOST_SHARE = 0.005, 0.02
"""Of the rows, anomalies of each family."""
WANTED_ROWS = 150
"""Anomalous rows of each family, where the shares allow."""
LEAST_KEYS, STRETCHES = 20, 50
"""With fewer keys, stretches of rows are drawn in their place."""
CONFIRMED = "confirmed by people"
"""The family of rows that feedback calls anomalies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Everything that competitors are held against."""

    table: pa.Table
    """Enriched, without labels; rows in order of time."""
    family_N: Int64s
    """Each row's family; −1 for rows left alone."""
    families: tuple[str, ...]
    block_N: Int64s
    """Rows of one number are drawn together."""
    start_ms: int
    end_ms: int
    """Of the newest row."""
    rows: int
    """Before any were added."""

    @property
    def anomalous(self) -> Mask:
        """Rows that are to be found, (N,)."""
        return np.asarray(self.family_N >= 0, dtype=np.bool_)


def make_replay(
    spec: StreamSpec,
    archive: OrderedArchive,
    *,
    start_ms: int,
    end_ms: int | None,
    seed: int,
    judge: Judge | None = None,
    without: Sequence[Span] = (),
    most: int = MOST_ROWS,
) -> Replay:
    """A replay of the newest `most` rows at or after `start_ms`, those of the spans of `without` left out.

    Raises ConfigError where there are too few of them, or nothing can be injected into their columns.
    """
    stretch_ms = _stretch(spec, archive, start_ms, end_ms, most)
    collected = _Collected(spec, archive, (stretch_ms, end_ms), judge, without)
    rows, confirmed = collected.rows, collected.confirmed
    if rows.table.num_rows < LEAST_ROWS:
        raise ConfigError(
            f"{rows.table.num_rows:,} rows are too few to compare models of {spec.stream!r} on ({LEAST_ROWS} at "
            "least): let `eddyline archive` run longer, or widen the window"
        )
    injected = _injected(rows.table, seed)
    changed = altered(rows, injected, spec)
    family = injected.truth.family_N.astype(np.int64)
    names = [one.label for one in injected.truth.families]
    said = confirmed[injected.source_N] & ~injected.added_N & (family < 0)
    family[said] = len(names)
    order = np.argsort(changed.times_ms, kind="stable")
    table = enriched(changed, spec, warmed=collected.warmed)
    return Replay(
        table=table.take(pa.array(order)),
        family_N=family[order],
        families=(*names, CONFIRMED),
        block_N=blocks(changed.groups(spec))[order],
        start_ms=int(rows.times_ms.min()),
        end_ms=int(rows.times_ms.max()),
        rows=rows.table.num_rows,
    )


def blocks(groups: Int64s) -> Int64s:
    """Rows that are drawn together: those of a key where there are keys enough, else of one stretch of rows."""
    if len(np.unique(groups)) >= LEAST_KEYS:
        return groups
    return np.arange(len(groups), dtype=np.int64) * STRETCHES // max(len(groups), 1)


def _injected(table: pa.Table, seed: int) -> Injected:
    share = float(np.clip(WANTED_ROWS / table.num_rows, LEAST_SHARE, MOST_SHARE))
    families = families_for(Purpose.GATE, possible_families(table.schema, share=share))
    done = inject(table, Plan(families=families), seed=seed_for(Purpose.GATE, seed))
    if not done.truth.labels_N.any():
        raise ConfigError(
            "no anomaly could be put into these columns (all constant or free text), so models cannot be compared: "
            "promote one by hand with `eddyline models promote`"
        )
    return done


def _stretch(spec: StreamSpec, archive: OrderedArchive, start_ms: int, end_ms: int | None, most: int) -> int:
    """When the newest `most` rows begin, `start_ms` at the earliest."""
    found = archive.iterate_in_order(spec.stream, start_ms=start_ms, end_ms=end_ms, columns=["_time"], history=False)
    times = [rows.times_ms for rows in found]
    rows = sum(map(len, times))
    if rows <= most:
        return start_ms
    split = split_at(times, share=most / rows)
    return start_ms if split is None else max(start_ms, split.cut_ms)


class _Collected:
    """The rows of a stretch as they came, oldest first, and by partition the states that those before them left."""

    def __init__(
        self,
        spec: StreamSpec,
        archive: OrderedArchive,
        window: tuple[int, int | None],
        judge: Judge | None,
        without: Sequence[Span],
    ) -> None:
        self._spec, self._judge, self._window, self._without = spec, judge, window, without
        self._recipe = recipe_of(spec)
        self.warmed: dict[int, Enricher] = {}
        self._parts: list[tuple[pa.RecordBatch, Int64s, Int64s, Mask]] = []
        self._read(archive)
        self.rows, self.confirmed = self._in_order()

    def _read(self, archive: OrderedArchive) -> None:
        columns = [column.name for column in self._spec.columns]
        known = [*columns, OFFSET] if self._judge is not None else columns
        source = None
        for found in archive.iterate_in_order(
            self._spec.stream,
            start_ms=self._window[0],
            end_ms=self._window[1],
            columns=known,
            history=self._recipe is not None,
        ):
            if source != (found.topic_id, found.partition) and self._recipe is not None:
                source = found.topic_id, found.partition
                self.warmed[found.partition] = Enricher(self._recipe)  # a topic made anew begins anew
            name = f"{found.topic_id}/{found.partition}"
            wanted = self._wanted(found.times_ms)
            if self._recipe is not None and not wanted.all():
                self._warm(self._recipe, found.partition, found.batch, found.times_ms, ~wanted)
            if wanted.any():
                self._keep(name, found.partition, found.batch.filter(pa.array(wanted)), found.times_ms[wanted])

    def _wanted(self, times_ms: Int64s) -> Mask:
        start_ms, end_ms = self._window
        wanted = (times_ms >= start_ms) & ~inside(times_ms, self._without)
        return np.asarray(wanted if end_ms is None else wanted & (times_ms < end_ms), dtype=np.bool_)

    def _warm(self, recipe: Recipe, partition: int, batch: pa.RecordBatch, times_ms: Int64s, before: Mask) -> None:
        before = before & (times_ms < self._window[0])
        most = max(1_024, MOST_BATCH_BYTES // row_bytes(recipe.schema))
        places = np.flatnonzero(before)
        for start in range(0, len(places), most):
            at = places[start : start + most]
            rows = conform(batch.take(pa.array(at)), self._spec)
            self.warmed[partition].advance(rows, times_ms[at], next_offset=0)

    def _keep(self, name: str, partition: int, batch: pa.RecordBatch, times_ms: Int64s) -> None:
        rows = conform(batch, self._spec)
        confirmed = np.zeros(len(times_ms), np.bool_)
        if self._judge is not None:
            offsets = np.asarray(batch[OFFSET].to_numpy(zero_copy_only=False), np.int64)
            confirmed = self._judge.labels(name, rows, offsets).confirmed_N
        self._parts.append((rows, times_ms, np.full(len(times_ms), partition, np.int64), confirmed))

    def _in_order(self) -> tuple[EvaluationRows, Mask]:
        times = _joined([part[1] for part in self._parts], np.int64)
        order = np.argsort(times, kind="stable")
        table = pa.Table.from_batches([part[0] for part in self._parts], schema=self._spec.schema())
        rows = EvaluationRows(
            table=_filled(table.take(pa.array(order)).combine_chunks(), self._spec),
            times_ms=times[order],
            partition_N=_joined([part[2] for part in self._parts], np.int64)[order],
            has_clock=True,
        )
        confirmed = np.concatenate([*(part[3] for part in self._parts), np.empty(0, np.bool_)])
        return rows, confirmed[order]


def _filled(table: pa.Table, spec: StreamSpec) -> pa.Table:
    """Labels are emptied: nothing that follows has any business with them."""
    for name in spec.columns_with(Role.LABEL):
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        table = table.set_column(place, field, pa.nulls(table.num_rows, field.type))
    return table


def _joined(parts: Iterable[Int64s], kind: type) -> Int64s:
    return np.concatenate([*parts, np.empty(0, kind)])
