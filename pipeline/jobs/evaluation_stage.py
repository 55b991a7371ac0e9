"""The stage that detectors are evaluated on: what they learn from, what they score, and the truth about it.

Labels and injected truth stay here: the tables handed on have neither.

Shape legend: N rows scored.
"""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role
from detectors.injection import Injected, Plan, Purpose, families_for, inject, possible_families, seed_for
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.evaluation_rows import EvaluationRows, enriched
from pipeline.jobs.promise import MS_PER_DAY
from pipeline.jobs.score_summary import Int64s, Mask, anomalous


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions:
    """What a person may ask of one evaluation."""

    detectors: tuple[str, ...] = ()
    """Names of detectors to fit on the older rows."""
    inject: bool = False
    held_out_share: float = 0.3
    """Of the rows, the newest: scored, never learned from."""
    anomaly_share: float = 0.01
    """Of the scored rows, for each injected family."""
    seed: int = 0
    draws: int = 200
    """Of the bootstrap."""
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that one detector is held against."""

    learned: pa.Table
    scored: pa.Table
    times_ms: Int64s
    groups: Int64s
    labels: Mask | None
    injected: Injected | None
    flagged: int
    gap_seconds: float | None
    options: EvaluateOptions


def make_stage(spec: StreamSpec, rows: EvaluationRows, cut: int, options: EvaluateOptions) -> Stage:
    """Older rows to learn from, newer ones to score, with anomalies where the options say so. Raises ConfigError."""
    older, newer = rows.slice(0, cut), rows.slice(cut, rows.table.num_rows)
    label = spec.column_with(Role.LABEL)
    labels = None if label is None else anomalous(newer.table[label])
    injected = None
    if options.inject:
        injected = _injected(newer, options)
        newer, labels = altered(newer, injected, spec), None
    elif labels is None or not labels.any() or labels.all():
        why = "has no column with the role label" if labels is None else "has labels of one kind only among these rows"
        raise ConfigError(f"{spec.stream!r} {why}: take `--inject`, or a window with labelled events of both kinds")
    both = EvaluationRows(
        table=pa.concat_tables([older.table, newer.table]),
        times_ms=np.concatenate([older.times_ms, newer.times_ms]),
        partition_N=np.concatenate([older.partition_N, newer.partition_N]),
        has_clock=rows.has_clock,
    )
    table = enriched(both, spec)
    return Stage(
        learned=table.slice(0, cut),
        scored=table.slice(cut),
        times_ms=newer.times_ms,
        groups=newer.groups(spec),
        labels=labels,
        injected=injected,
        flagged=_flagged(spec, newer),
        gap_seconds=spec.alerts.group_gap_seconds if rows.has_clock else None,
        options=options,
    )


def _injected(newer: EvaluationRows, options: EvaluateOptions) -> Injected:
    possible = possible_families(newer.table.schema, share=options.anomaly_share)
    plan = Plan(families=families_for(Purpose.CHOICE, possible))
    done = inject(newer.table, plan, seed=seed_for(Purpose.CHOICE, options.seed))
    if not done.truth.labels_N.any():
        raise ConfigError("no anomaly could be put into these columns (constant or free text): evaluate on labels")
    return done


def altered(newer: EvaluationRows, injected: Injected, spec: StreamSpec) -> EvaluationRows:
    """The rows with anomalies in them; added ones are in the partition of their source, at their own time."""
    times = newer.times_ms[injected.source_N].copy()
    clock = spec.column_with(Role.TIME)
    if clock is not None and injected.added_N.any():
        own = _milliseconds_or(injected.table[clock], times)
        times[injected.added_N] = own[injected.added_N]
    return replace(newer, table=injected.table, times_ms=times, partition_N=newer.partition_N[injected.source_N])


def _milliseconds_or(column: pa.ChunkedArray, otherwise: Int64s) -> Int64s:
    """A time column in milliseconds, with `otherwise` where it is null; (N,)."""
    micros = pc.cast(column, pa.int64()).to_numpy(zero_copy_only=False)
    known = ~np.isnan(np.asarray(micros, dtype=np.float64))
    return np.where(known, np.nan_to_num(micros) // 1_000, otherwise).astype(np.int64)


def _flagged(spec: StreamSpec, newer: EvaluationRows) -> int:
    """How many rows may be flagged: the budget over the span scored, at least one, at most half of the rows."""
    n, budget = newer.table.num_rows, spec.budget
    if budget.share_of_events is not None:
        wanted = budget.share_of_events * n
    elif newer.has_clock:
        wanted = (budget.alerts_per_day or 0.0) * (int(newer.times_ms.max()) - int(newer.times_ms.min())) / MS_PER_DAY
    else:
        wanted = 0.01 * n
    return int(min(max(1, round(wanted)), max(1, n // 2)))
