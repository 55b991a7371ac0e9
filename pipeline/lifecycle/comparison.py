"""Challenger, champion and baselines on one held-out replay: ranking figures, and alerts beside the promise.

Ranking is judged with anomalies put into the rows (`replay.py`) and on those that people confirmed; alerts are counted
on the rows as they came, over the whole held-out part, grouped as in service, those of confirmed anomalies left out.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from detectors.alert_counts import AlertCounter
from detectors.base import Detector, FloatArray
from detectors.budget import Budget
from detectors.evaluation import Interval, PairedPrecision, auroc, paired_precision
from detectors.thresholds import Threshold, span_seconds
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.jobs.enriched_rows import OFFSET, OrderedArchive, enriched_rows
from pipeline.jobs.score_summary import Int64s
from pipeline.jobs.train import score_table
from pipeline.jobs.training_data import groups_of, training_columns
from pipeline.lifecycle.documents import known
from pipeline.lifecycle.ports import Judge
from pipeline.lifecycle.replay import Replay, make_replay
from pipeline.lifecycle.rows import inside
from pipeline.lifecycle.verdict import AlertsSeen, Compared
from pipeline.lineage.windows import Span
from pipeline.state.recipe import recipe_of

Report = Callable[[float, str], None]
CHALLENGER, CHAMPION = "challenger", "champion"
DRAWS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Competitor:
    """One detector, with its threshold where it has one."""

    detector: Detector
    threshold: Threshold | None = None
    model_id: str | None = None
    trained_to_ms: int | None = None
    """The newest row that it has seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one competitor came to."""

    detector: str
    model_id: str | None
    average_precision: Interval
    """Of all families together, each weighing alike."""
    auroc: float
    families: dict[str, dict[str, float]]
    """By family: average_precision and auroc."""
    alerts: AlertsSeen | None
    has_seen_replay: bool
    """It has learned from rows of the replay, which flatters it."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "alerts": None if self.alerts is None else self.alerts.document()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All that was seen, by competitor; the first is the challenger."""

    start_ms: int
    end_ms: int
    rows: int
    anomalous_rows: int
    seed: int
    figures: dict[str, Figures]
    differences: dict[str, Interval]
    """The challenger's average precision less each other's."""

    def compared(self) -> Compared:
        """What the verdict reads."""
        first = next(iter(self.figures))
        champion = self.figures.get(CHAMPION)
        seen = self.figures[first].alerts
        if seen is None:
            raise ValueError("a challenger has a threshold: hand it over")
        return Compared(
            over_champion=self.differences.get(CHAMPION),
            over_baselines={name: one for name, one in self.differences.items() if name != CHAMPION},
            challenger_alerts=seen,
            champion_alerts=None if champion is None else champion.alerts,
        )

    def document(self) -> dict[str, Any]:
        """As JSON; figures that are not known are null."""
        made: dict[str, Any] = known(
            {
                "start_ms": self.start_ms,
                "end_ms": self.end_ms,
                "rows": self.rows,
                "anomalous_rows": self.anomalous_rows,
                "seed": self.seed,
                "figures": {name: one.document() for name, one in self.figures.items()},
                "differences": {name: asdict(one) for name, one in self.differences.items()},
            }
        )
        return made


def compare(
    spec: StreamSpec,
    archive: OrderedArchive,
    competitors: Mapping[str, Competitor],
    *,
    start_ms: int,
    end_ms: int | None,
    seed: int,
    judge: Judge | None = None,
    without: Sequence[Span] = (),
    draws: int = DRAWS,
    report: Report = lambda fraction, text: None,
) -> Comparison:
    """Hold the first competitor against the others on the rows with start ≤ time < end. Deterministic.

    Raises ConfigError where there are too few rows, or nothing can be injected.
    """
    report(0.0, "putting anomalies into held-out rows")
    replay = make_replay(spec, archive, start_ms=start_ms, end_ms=end_ms, seed=seed, judge=judge, without=without)
    scores = {}
    for number, (name, one) in enumerate(competitors.items()):
        report(0.3 + 0.4 * number / len(competitors), f"scoring held-out rows: {name}")
        scores[name] = score_table(one.detector, replay.table)
    paired = _paired(scores, replay, draws=draws, seed=seed)
    report(0.8, "counting alerts on held-out rows")
    alerts = alerts_seen(spec, archive, competitors, start_ms=start_ms, end_ms=end_ms, judge=judge, without=without)
    first = next(iter(competitors))
    report(1.0, "compared")
    return Comparison(
        start_ms=replay.start_ms,
        end_ms=replay.end_ms,
        rows=replay.rows,
        anomalous_rows=int(replay.anomalous.sum()),
        seed=seed,
        figures={
            name: _figures(one, scores[name], name, paired, replay, alerts.get(name))
            for name, one in competitors.items()
        },
        differences={name: paired.difference(first, name) for name in competitors if name != first},
    )


def _paired(scores: Mapping[str, FloatArray], replay: Replay, *, draws: int, seed: int) -> PairedPrecision:
    try:
        return paired_precision(scores, replay.family_N, blocks=replay.block_N, draws=draws, seed=seed)
    except ValueError as error:
        raise ConfigError(f"models cannot be compared: {error}; widen the window") from error


def _figures(
    one: Competitor,
    scores: FloatArray,
    name: str,
    paired: PairedPrecision,
    replay: Replay,
    alerts: AlertsSeen | None,
) -> Figures:
    families, alone = {}, ~replay.anomalous
    row = paired.families_MF[paired.names.index(name)]
    for place, number in enumerate(np.unique(replay.family_N[replay.family_N >= 0])):
        mine = replay.family_N == number
        shown = mine | alone
        families[replay.families[number]] = {
            "average_precision": float(row[place]),
            "auroc": auroc(scores[shown], mine[shown]),
        }
    return Figures(
        detector=one.detector.name,
        model_id=one.model_id,
        average_precision=paired.interval(name),
        auroc=auroc(scores, replay.anomalous),
        families=families,
        alerts=alerts,
        has_seen_replay=one.trained_to_ms is not None and one.trained_to_ms >= replay.start_ms,
    )


def alerts_seen(
    spec: StreamSpec,
    archive: OrderedArchive,
    competitors: Mapping[str, Competitor],
    *,
    start_ms: int,
    end_ms: int | None,
    judge: Judge | None = None,
    without: Sequence[Span] = (),
) -> dict[str, AlertsSeen]:
    """Unconfirmed alerts of each competitor that has a threshold, beside what the stream's budget allows; none are
    counted in the spans of `without`. Memory holds scores and times of the rows."""
    judged = {name: one for name, one in competitors.items() if one.threshold is not None}
    scores: dict[str, list[FloatArray]] = {name: [] for name in judged}
    times, groups = list[Int64s](), list[Int64s]()
    recipe = recipe_of(spec)
    columns = [*training_columns(spec, recipe), *([OFFSET] if judge is not None else [])]
    for rows in enriched_rows(spec, recipe, archive, columns=columns, start_ms=start_ms, end_ms=end_ms):
        uncounted = inside(rows.times_ms, without)
        if judge is not None and rows.offsets is not None:
            uncounted |= judge.labels(rows.partition, rows.batch, rows.offsets).confirmed_N
        for name, one in judged.items():
            scores[name].append(np.where(uncounted, -np.inf, one.detector.score(rows.batch)))
        times.append(rows.times_ms)
        groups.append(groups_of(rows.batch, rows.partition, spec))
    if not times:
        return {}
    joined = np.concatenate(times), np.concatenate(groups)
    return {name: _alerts(spec, judged[name], np.concatenate(parts), *joined) for name, parts in scores.items()}


def _alerts(spec: StreamSpec, one: Competitor, scores: FloatArray, times_ms: Int64s, groups: Int64s) -> AlertsSeen:
    budget = Budget(alerts_per_day=spec.budget.alerts_per_day, share_of_events=spec.budget.share_of_events)
    counter = AlertCounter(
        scores, np.ones(len(scores)), times_ms=times_ms, groups=groups, gap_seconds=spec.alerts.group_gap_seconds
    )
    nats = float("inf") if one.threshold is None else one.threshold.nats
    allowed = budget.allowed(rows=len(scores), seconds=span_seconds(times_ms))
    return AlertsSeen(alerts=round(counter.alerts_above(nats)), allowed=allowed)
