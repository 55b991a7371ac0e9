"""Detectors' scores of the budget benchmark's streams, and calibration parts with anomalies put among them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bench.budget_streams import FloatArray, Int64Array, Mask, RawStream, raw_streams
from detectors.injection import AnomalyKind, Family, Plan, inject
from detectors.registry import detector_class

DETECTORS = ("blend", "vae", "pca", "forest", "ecod")
CHOSEN_ON = ("vae", "pca")
"""Recalibration's constants were chosen on these detectors' scores of the six streams; the other detectors and all
tables were not looked at."""
CONTAMINATION = 0.05
TIME_BUDGET_SECONDS = 20.0
LEAST_ANOMALIES = 20
SCORE_ROWS = 65_536


class Contamination(StrEnum):
    """What stands among the ordinary rows of the calibration part."""

    NONE = "nothing"
    REAL = "5% real"
    """Labelled rows of the same set, in places drawn at random."""
    INJECTED = "5% injected"
    """Rows with one value moved far away, in places drawn at random."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredStream:
    """Rows in order of time with their scores; N rows."""

    name: str
    detector: str
    scores: FloatArray
    labels: Mask
    times_ms: Int64Array
    groups: npt.NDArray[np.object_] | None
    share: float
    gap_seconds: float
    calibration_parts: "dict[Contamination, ScoredStream]"

    def calibration(self, contamination: Contamination) -> "ScoredStream | None":
        """The calibration part; None where the set has too few anomalies."""
        return self.calibration_parts.get(contamination)

    def followed_by(self, later: "ScoredStream") -> "ScoredStream":
        """Both as one."""
        groups = None
        if self.groups is not None and later.groups is not None:
            groups = np.concatenate([self.groups, later.groups])
        return replace(
            self,
            scores=np.concatenate([self.scores, later.scores]),
            labels=np.concatenate([self.labels, later.labels]),
            times_ms=np.concatenate([self.times_ms, later.times_ms]),
            groups=groups,
        )

    def rows(self, chosen: Mask) -> "ScoredStream":
        """Some of the rows."""
        groups = None if self.groups is None else self.groups[chosen]
        return replace(
            self,
            scores=self.scores[chosen],
            labels=self.labels[chosen],
            times_ms=self.times_ms[chosen],
            groups=groups,
        )


def scored_streams(folder: Path, *, quick: bool) -> Iterator[ScoredStream]:
    """Every stream under every detector; the first stream and the cheapest detector where `quick`."""
    for raw in raw_streams(folder):
        for detector in ("pca",) if quick else DETECTORS:
            yield score_stream(raw, detector)
        if quick:
            return


def score_stream(raw: RawStream, detector_name: str) -> ScoredStream:
    """Fit on the oldest part, score the rest."""
    table = raw.table()
    detector = detector_class(detector_name)(seed=0, time_budget_seconds=TIME_BUDGET_SECONDS)  # type: ignore[call-arg]
    detector.fit(table.slice(0, raw.cut))

    def score(rows: pa.Table) -> FloatArray:
        return np.concatenate([detector.score(b) for b in rows.combine_chunks().to_batches(max_chunksize=SCORE_ROWS)])

    whole = ScoredStream(
        name=raw.name,
        detector=detector_name,
        scores=score(table.slice(raw.cut)),
        labels=raw.labels[raw.cut :],
        times_ms=raw.times_ms[raw.cut :],
        groups=None if raw.groups is None else raw.groups[raw.cut :],
        share=raw.share,
        gap_seconds=raw.gap_seconds,
        calibration_parts={},
    )
    held_out = np.arange(len(whole.scores)) < raw.first - raw.cut
    ordinary = whole.rows(held_out & ~whole.labels)
    rows = table.slice(raw.cut, raw.first - raw.cut).filter(pa.array(~whole.labels[held_out]))
    plan = Plan(families=(Family(kind=AnomalyKind.POINT, share=CONTAMINATION),))
    parts = {
        Contamination.NONE: ordinary,
        Contamination.INJECTED: replace(ordinary, scores=score(inject(rows, plan, seed=0).table)),
    }
    real = whole.scores[whole.labels]
    if len(real) >= LEAST_ANOMALIES:
        parts[Contamination.REAL] = _among(ordinary, real)
    return replace(whole.rows(~held_out), calibration_parts=parts)


def _among(ordinary: ScoredStream, anomalous: FloatArray) -> ScoredStream:
    """Anomalies in the place of a twentieth of the rows."""
    generator = np.random.default_rng(0)
    rows = round(CONTAMINATION * len(ordinary.scores))
    scores = ordinary.scores.copy()
    places = generator.choice(len(scores), rows, replace=False)
    scores[places] = generator.choice(anomalous, rows, replace=len(anomalous) < rows)
    return replace(ordinary, scores=scores)
