"""`auto`: which detector suits a stream, found out by replay with injected anomalies where nobody has labels.

The newest quarter of the rows is held out and given anomalies of several families, `REPEATS` times under different
seeds; every candidate learns from the older rows and scores them. Per family and repeat the candidates are ranked by
average precision. The first of `PREFERENCE` is chosen unless another leads it by `LEAD_SHARE` of the ranks there are:
on labelled tables these ranks tell little of real anomalies, so they may rule out a detector that fails and not pick
a favourite (measured in `docs/decisions/0015-auto-choice.md`).

What it can tell: which detectors see strange single values and broken relations in *these* columns. What it cannot:
whether the anomalies to come are of those kinds. Rows are judged as they are: where columns were derived from a key's
past, anomalies are put into those columns too, but the past itself is not injected into.

Shape legend: M candidates, S settings (a family in one repeat).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import rankdata

from detectors.base import Detector, FloatArray, Progress
from detectors.columns import Kind, feature_fields, kind_of
from detectors.errors import UnusableDataError
from detectors.evaluation.families import family_figures
from detectors.evaluation.prequential import timed_scores
from detectors.injection import (
    AnomalyKind,
    Family,
    Injected,
    Plan,
    Purpose,
    families_for,
    inject,
    possible_families,
    seed_for,
)
from detectors.registry import DETECTORS, detector_class

NAME = "auto"
PREFERENCE = ("blend", "vae", "forest", "pca", "half_space_trees", "ecod")
"""The order in which candidates are believed in before anything is measured; those not in the registry are left out."""
LEAD_SHARE = 0.5
"""Of the ranks between first and last: two ranks among five candidates."""
REPEATS = 2
HELD_OUT_SHARE = 0.25
MOST_ROWS = 40_000
"""Rows the choice looks at, the newest; the winner is trained on all."""
LEAST_ROWS = 200
SHARE = 0.03
"""Of the held-out rows, for each family."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFigures:
    """How one candidate did."""

    name: str
    mean_rank: float
    """1 is best."""
    mean_average_precision: float
    mean_auroc: float
    average_precision: dict[str, float]
    """By family, mean over repeats."""
    fit_seconds: float
    rows_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which detector, and why. `candidates` are in order of their mean rank."""

    chosen: str
    reason: str
    rule: str
    candidates: tuple[CandidateFigures, ...]
    rows_learned: int
    rows_scored: int
    seconds: float

    def document(self) -> dict[str, Any]:
        """JSON-able, for the facts that go with a model."""
        return asdict(self)


def choose(
    table: pa.Table,
    *,
    candidates: Sequence[str] | None = None,
    seed: int = 0,
    time_budget_seconds: float = 120.0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Choice:
    """Choose among named detectors for `table` (rows oldest first); deterministic but for the seconds.

    The time budget is for all candidates together. Raises UnusableDataError where the table has fewer than
    LEAST_ROWS rows or nothing can be injected, KeyError for a name that is no detector.
    """
    began = monotonic()
    names = tuple(candidates) if candidates is not None else available()
    table = table.slice(max(0, table.num_rows - MOST_ROWS))
    if table.num_rows < LEAST_ROWS:
        raise UnusableDataError(
            f"{table.num_rows} rows are too few to compare detectors on ({LEAST_ROWS} at least): name one in the spec"
        )
    older = table.slice(0, round((1 - HELD_OUT_SHARE) * table.num_rows))
    trials = _trials(table.slice(older.num_rows), seed)
    known = older.select([field.name for field in feature_fields(older.schema)])
    measured = []
    for done, name in enumerate(names):
        if progress is not None:
            progress(done / len(names), f"auto: trying {name}")
        make: Callable[..., Detector] = detector_class(name)
        detector = make(seed=seed, time_budget_seconds=time_budget_seconds / (2 * len(names)), device=device)
        measured.append(_measure(detector, known, trials))
    return _decide(names, measured, rows=(older.num_rows, trials[0].table.num_rows), seconds=monotonic() - began)


def available() -> tuple[str, ...]:
    """The candidates that the registry has, in order of preference."""
    return tuple(name for name in PREFERENCE if any(detector.name == name for detector in DETECTORS))


def _families(schema: pa.Schema) -> tuple[Family, ...]:
    """Families that rows alone can show: values far out, in one column and in a third of them, and broken relations.

    Added rows, and faults that last, are strange by what came before them only.
    """
    numbers = sum(kind_of(field) is Kind.NUMERIC for field in feature_fields(schema))
    many = Family(kind=AnomalyKind.POINT, share=SHARE, columns=max(2, round(numbers / 3)), severity=(2.0, 2.0))
    possible = families_for(Purpose.CHOICE, possible_families(schema, share=SHARE, ordered=False))
    alone = tuple(f for f in possible if f.name in ("point:number", "contextual:columns"))
    return (*alone, many) if numbers > 1 else alone


def _trials(held_out: pa.Table, seed: int) -> list[Injected]:
    families = _families(held_out.schema)
    trials = [
        inject(held_out, Plan(families=families), seed=seed_for(Purpose.CHOICE, seed + repeat))
        for repeat in range(REPEATS)
    ]
    if not all(trial.truth.labels_N.any() for trial in trials):
        raise UnusableDataError(
            "no anomaly could be put into these columns (all constant or free text): name a detector in the spec"
        )
    return trials


@dataclass(frozen=True, slots=True)
class _Measured:
    precision: dict[tuple[int, str], float]
    auroc: dict[tuple[int, str], float]
    fit_seconds: float
    rows_per_second: float


def _measure(detector: Detector, known: pa.Table, trials: list[Injected]) -> _Measured:
    began = monotonic()
    detector.fit(known)
    fit_seconds = monotonic() - began
    precision, ranking, seconds, rows = {}, {}, 0.0, 0
    for repeat, trial in enumerate(trials):
        scores, took = timed_scores(detector, trial.table.select(known.column_names))
        seconds, rows = seconds + took, rows + trial.table.num_rows
        for figures in family_figures(scores, trial.truth):
            precision[repeat, figures.family] = figures.average_precision
            ranking[repeat, figures.family] = figures.auroc
    return _Measured(precision, ranking, fit_seconds, rows / max(seconds, 1e-9))


def _decide(names: Sequence[str], measured: list[_Measured], *, rows: tuple[int, int], seconds: float) -> Choice:
    settings = sorted(measured[0].precision)
    precision_MS = np.array([[m.precision[s] for s in settings] for m in measured])
    rank_M = rankdata(-precision_MS.round(6), axis=0).mean(axis=1)
    figures = [_figures(name, m, float(rank)) for name, m, rank in zip(names, measured, rank_M, strict=True)]
    chosen = _chosen(names, rank_M)
    ordered = tuple(sorted(figures, key=lambda f: f.mean_rank))
    return Choice(
        chosen=chosen,
        reason=_reason(chosen, ordered, len(settings)),
        rule=f"the first of {', '.join(names)} that no other leads by {_lead(len(names)):g} mean ranks of average "
        "precision",
        candidates=ordered,
        rows_learned=rows[0],
        rows_scored=rows[1],
        seconds=seconds,
    )


def _chosen(names: Sequence[str], rank_M: FloatArray) -> str:
    """The first candidate in order of preference that no other leads clearly."""
    return next(name for name, rank in zip(names, rank_M, strict=True) if rank - rank_M.min() < _lead(len(names)))


def _lead(candidates: int) -> float:
    """The mean ranks that make a lead clear; above 0, so that the best is always eligible."""
    return LEAD_SHARE * max(candidates - 1, 1)


def _figures(name: str, m: _Measured, rank: float) -> CandidateFigures:
    families = sorted({family for _, family in m.precision})
    return CandidateFigures(
        name=name,
        mean_rank=rank,
        mean_average_precision=float(np.mean(list(m.precision.values()))),
        mean_auroc=float(np.mean(list(m.auroc.values()))),
        average_precision={
            family: float(np.mean([value for (_, other), value in m.precision.items() if other == family]))
            for family in families
        },
        fit_seconds=m.fit_seconds,
        rows_per_second=m.rows_per_second,
    )


def _reason(chosen: str, ordered: Sequence[CandidateFigures], settings: int) -> str:
    """One sentence for people."""
    mine = next(f for f in ordered if f.name == chosen)
    others = [f for f in ordered if f.name != chosen]
    families = ", ".join(f"{name} {value:.2f}" for name, value in mine.average_precision.items())
    text = (
        f"{chosen} found injected anomalies with a mean rank of {mine.mean_rank:.1f} of {len(ordered)} "
        f"(average precision: {families})"
    )
    if not others:
        return f"{text}; it was the only candidate"
    best = others[0]
    text += f"; next {best.name} with {best.mean_rank:.1f} and {best.mean_average_precision:.2f} on average"
    if best.mean_rank < mine.mean_rank:
        text += f", too small a lead over {settings} trials to leave the preferred order"
    return text
