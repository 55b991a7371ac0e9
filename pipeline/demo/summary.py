"""How the live part went, against the labels where there are some. Counted after the fact; nothing here decides.

Shape legend: N live events.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Role
from detectors.thresholds import Threshold
from pipeline.config import StreamSpec
from pipeline.demo.live import Outcome, Places
from pipeline.jobs.promise import MS_PER_DAY, Counted, Promise, promise_of
from pipeline.jobs.score_summary import RankHistogram, anomalous
from pipeline.jobs.truth import LabelFigures, Truth
from pipeline.records import keys_of

INCIDENT_GAP_MS = 6 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFigures:
    """How one kind of anomaly was found."""

    kind: str
    events: int
    flagged: int
    incidents: int
    """Runs of one key's events of this kind."""
    noticed: int
    """Incidents with at least one flagged event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures shown at the end."""

    events: int
    scored: int
    seconds: float
    alerts: int
    promise: Promise | None
    """Held against false alarms where there are labels, else against all alerts."""
    days: float
    """Of event time."""
    labels: LabelFigures | None
    kinds: tuple[KindFigures, ...]
    score_delay_ms: tuple[float, float] | None
    """Median and 99th percentile from sending an event to reading its score."""
    alert_delay_ms: tuple[float, float] | None


def summarise(
    spec: StreamSpec,
    live: pa.Table,
    times_ms: npt.NDArray[np.float64],
    places: Places,
    outcome: Outcome,
    threshold: Threshold,
    *,
    topic_id: str,
    seconds: float,
    kind_column: str | None,
) -> Summary:
    """Everything that can be said of `live`, shape (N,), once its scores and alerts were read."""
    label = spec.column_with(Role.LABEL)
    labels = anomalous(live[label]) if label is not None else np.zeros(live.num_rows, np.bool_)
    keys = [None if key is None else key.decode() for key in _keys(spec, live)]
    figures = _label_figures(spec, places, outcome, labels, keys, topic_id)
    span_ms = int(times_ms[-1] - times_ms[0]) if len(times_ms) else 0
    false_alarms = outcome.opened if figures is None else figures.false_alerts
    counted = Counted.UNCONFIRMED if figures is None else Counted.FALSE
    names = live[kind_column].to_pylist() if kind_column is not None else []
    kinds = [str(name) if marked and name else None for name, marked in zip(names, labels, strict=False)]
    delays = outcome.scored_ms - outcome.sent_ms
    return Summary(
        events=live.num_rows,
        scored=outcome.scored,
        seconds=seconds,
        alerts=outcome.opened,
        promise=promise_of(threshold, alerts=false_alarms, rows=live.num_rows, span_ms=span_ms, counted=counted),
        days=span_ms / MS_PER_DAY,
        labels=figures,
        kinds=tuple(kind_figures(kinds, keys, times_ms, outcome.flagged)),
        score_delay_ms=_percentiles(delays[~np.isnan(delays)]),
        alert_delay_ms=_percentiles(np.array(outcome.alert_delays_ms)),
    )


def kind_figures(
    kinds: Sequence[str | None],
    keys: list[str | None],
    times_ms: npt.NDArray[np.float64],
    flagged: npt.NDArray[np.bool_],
) -> list[KindFigures]:
    """Figures for each kind that occurs, in alphabetical order. All of shape (N,)."""
    found = []
    for name in sorted({kind for kind in kinds if kind}):
        rows = [row for row, kind in enumerate(kinds) if kind == name]
        incidents = _incidents(rows, keys, times_ms)
        found.append(
            KindFigures(
                kind=name,
                events=len(rows),
                flagged=int(flagged[rows].sum()),
                incidents=len(incidents),
                noticed=sum(bool(flagged[incident].any()) for incident in incidents),
            )
        )
    return found


def _incidents(rows: list[int], keys: list[str | None], times_ms: npt.NDArray[np.float64]) -> list[list[int]]:
    """Rows of one kind, split by key and by hours of quiet."""
    incidents: list[list[int]] = []
    latest: dict[str | None, list[int]] = {}
    for row in rows:
        current = latest.get(keys[row])
        if current is None or times_ms[row] - times_ms[current[-1]] > INCIDENT_GAP_MS:
            current = latest[keys[row]] = []
            incidents.append(current)
        current.append(row)
    return incidents


def _label_figures(
    spec: StreamSpec,
    places: Places,
    outcome: Outcome,
    labels: npt.NDArray[np.bool_],
    keys: list[str | None],
    topic_id: str,
) -> LabelFigures | None:
    truth, ranks = Truth(stream=spec.stream, topic_id=topic_id), RankHistogram()
    known = ~np.isnan(outcome.scores)
    truth.count(outcome.flagged, labels)
    ranks.add(outcome.scores[known], labels[known])
    for row in np.flatnonzero(outcome.flagged):
        partition, offset = int(places.partition[row]), int(places.offset[row])
        truth.sighted(partition=partition, offset=offset, row=0, key=keys[row], anomalous=bool(labels[row]))
    return truth.figures(outcome.alerts.values(), ranks)


def _keys(spec: StreamSpec, live: pa.Table) -> list[bytes | None]:
    keys: list[bytes | None] = []
    for batch in live.to_batches():
        keys += keys_of(batch, spec.column_with(Role.KEY))
    return keys


def _percentiles(values: npt.NDArray[np.float64]) -> tuple[float, float] | None:
    if not len(values):
        return None
    middle, high = np.percentile(values, [50, 99])
    return float(middle), float(high)
