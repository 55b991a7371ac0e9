"""Budgets: promised and observed on the ordinary part of public streams, with and without 5% anomalies in calibration.

Each stream is promised so many alerts an event, counted after grouping. What is held against the promise are alerts on
rows without a label (`ordinary`); alerts on all rows, which is what an operator without labels sees, stand beside it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.budget_scores import Contamination, ScoredStream, scored_streams
from bench.budget_streams import DAY_MS, FloatArray
from detectors.alert_counts import count_alerts
from detectors.recalibration import recalibrate
from detectors.thresholds import Budget, Counted, Kept, Threshold, calibrate, kept, observed_rate

LEAST_EXPECTED = 50.0
"""On the ordinary part; fewer cannot both be kept and reach half."""


class Way(StrEnum):
    """How the threshold is found."""

    FIXED = "all, fixed"
    """Calibrated once, every row counted."""
    FIXED_NORMAL = "normal, fixed"
    """Calibrated once, suspects weighted out."""
    RECALIBRATED = "recalibrated"
    """As the first, then recalibrated at the end of every day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one promise."""

    stream: str
    detector: str
    contamination: Contamination
    way: Way
    expected: float
    ordinary: int
    ratio_of_all: float
    """Alerts on all rows over what is promised for them."""

    @property
    def ratio(self) -> float:
        """Observed over promised, on ordinary rows."""
        return self.ordinary / self.expected

    @property
    def good(self) -> bool:
        """Kept, and not by silence."""
        return kept(self.expected, self.ordinary) is Kept.KEPT and self.ratio >= 0.5


def run(console: Console, *, quick: bool) -> bool:
    """Print every outcome, the missed ones first; true where the recalibrated threshold misses none."""
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("budget: skipped, it needs the folder that EDDYLINE_DATA names")
        return True
    found = [outcome for stream in scored_streams(Path(folder), quick=quick) for outcome in outcomes(stream)]
    _print(console, found)
    _summarise(console, found)
    return all(one.good for one in found if one.way is Way.RECALIBRATED and one.expected >= LEAST_EXPECTED)


def outcomes(stream: ScoredStream) -> Iterator[Outcome]:
    """Every contamination and way of one stream and detector."""
    for contamination in Contamination:
        calibration = stream.calibration(contamination)
        if calibration is None:
            continue
        for way in Way:
            served = _served(stream, calibration, way)
            flags, ordinary = stream.scores > served, ~stream.labels
            groups = stream.groups
            yield Outcome(
                stream=stream.name,
                detector=stream.detector,
                contamination=contamination,
                way=way,
                expected=stream.share * int(ordinary.sum()),
                ordinary=count_alerts(
                    flags[ordinary],
                    times_ms=stream.times_ms[ordinary],
                    groups=None if groups is None else groups[ordinary],
                    gap_seconds=stream.gap_seconds,
                ),
                ratio_of_all=count_alerts(
                    flags, times_ms=stream.times_ms, groups=groups, gap_seconds=stream.gap_seconds
                )
                / (stream.share * len(flags)),
            )


def _served(stream: ScoredStream, calibration: ScoredStream, way: Way) -> FloatArray:
    """The threshold that each row of the rest meets."""
    counted = Counted.NORMAL if way is Way.FIXED_NORMAL else Counted.ALL
    threshold = calibrate(
        calibration.scores,
        budget=Budget(share_of_events=stream.share, counted=counted),
        times_ms=calibration.times_ms,
        groups=calibration.groups,
        gap_seconds=stream.gap_seconds,
    )
    if way is not Way.RECALIBRATED:
        return np.full(len(stream.scores), threshold.nats)
    return _followed(calibration.followed_by(stream), len(calibration.scores), threshold)


def _followed(history: ScoredStream, calibrated_on: int, threshold: Threshold) -> FloatArray:
    """Recalibrated at the end of every day, on as many rows as the first calibration had."""
    served = np.full(len(history.scores), threshold.nats)
    start = calibrated_on
    for midnight in range(int(history.times_ms[start]) + DAY_MS, int(history.times_ms[-1]), DAY_MS):
        end = int(np.searchsorted(history.times_ms, midnight))
        served[start:end] = threshold.nats
        window = slice(end - calibrated_on, end)
        threshold = recalibrate(
            threshold,
            history.scores[window],
            times_ms=history.times_ms[window],
            groups=None if history.groups is None else history.groups[window],
            gap_seconds=history.gap_seconds,
            seconds_since=DAY_MS / 1000.0,
            served_nats=served[window],
        ).threshold
        start = end
    served[start:] = threshold.nats
    return served[calibrated_on:]


def _print(console: Console, found: list[Outcome]) -> None:
    table = Table(title="alerts on ordinary rows, observed over promised; missed first", title_justify="left")
    for name in ("stream", "detector", "in calibration", "threshold", "expected", "observed", "of promised", "95%"):
        table.add_column(
            name, justify="left" if name in ("stream", "detector", "in calibration", "threshold") else "right"
        )
    for name in ("kept", "half", "all rows"):
        table.add_column(name, justify="right")
    for one in sorted(found, key=lambda one: (one.way is not Way.RECALIBRATED, one.good, one.stream, one.detector)):
        interval = observed_rate(one.ordinary, one.expected)
        table.add_row(
            one.stream,
            one.detector,
            one.contamination.value,
            one.way.value,
            f"{one.expected:,.0f}",
            f"{one.ordinary:,}",
            f"{one.ratio:.2f}",
            f"{interval.low:.2f} to {interval.high:.2f}",
            kept(one.expected, one.ordinary).value.replace("_", " "),
            "yes" if one.ratio >= 0.5 else "no",
            f"{one.ratio_of_all:.2f}",
        )
    console.print(table)


def _summarise(console: Console, found: list[Outcome]) -> None:
    table = Table(title=f"kept, and at least half of promised, where {LEAST_EXPECTED:g} are expected")
    for name in ("threshold", *(c.value for c in Contamination)):
        table.add_column(name)
    for way in Way:
        cells = []
        for contamination in Contamination:
            chosen = [
                one
                for one in found
                if one.way is way and one.contamination is contamination and one.expected >= LEAST_EXPECTED
            ]
            within = sum(kept(one.expected, one.ordinary) is Kept.KEPT for one in chosen)
            cells.append(f"{sum(one.good for one in chosen)} (kept {within}) of {len(chosen)}")
        table.add_row(way.value, *cells)
    console.print(table)
