"""Does learning from injected anomalies pay? The blend with and without it, on labels and on injected anomalies.

Both see the same training rows, with their real anomalies and without their labels. Asked for are the real anomalies
of the scored rows, injected ones of families that taught, and injected ones of families that never did (those of
gates, choices and canaries). Nothing was chosen on the scored rows of these sets but what decision 23 says was.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from bench.taught_sets import Asked, BoolArray, Trial, trial_makers
from detectors.base import FloatArray
from detectors.evaluation import Ranked, auroc, average_precision
from detectors.taught.detector import TaughtDetector

SEEDS = (0, 1, 2, 3, 4)
DRAWS = 100
LEAST_SPEED = 0.5
"""Rows a second, of the blend's."""
PARTS = ("real labels", "families taught", "families not taught")
Pair = tuple[float, float]
"""The blend's and the taught one's."""
Figure = Callable[[FloatArray, BoolArray], float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One seed on one set: average precision and AUROC by part, the gain's bootstrap draws on real labels, speed."""

    precision: dict[str, Pair]
    ranking: dict[str, Pair]
    drawn_gains: FloatArray
    by_family: dict[str, Pair]
    speed: float


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the tables; False where a limit was missed."""
    torch.set_num_threads(1)
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("taught: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    results: dict[str, list[Outcome]] = {}
    for name, make in trial_makers(Path(folder), quick=quick).items():
        results[name] = [_measure(make(seed), seed) for seed in SEEDS[: 1 if quick else None]]
    console.print(_figures(results))
    console.print(_families(results))
    return _limits(console, results)


def _measure(trial: Trial, seed: int) -> Outcome:
    detector = TaughtDetector(seed=seed)
    detector.fit(trial.train, labels=trial.labels)
    real, seconds = _both(detector, trial.test)
    precision = {PARTS[0]: _pair(average_precision, real, trial.test_labels)}
    ranking = {PARTS[0]: _pair(auroc, real, trial.test_labels)}
    by_family: dict[str, Pair] = {}
    for part, asked in ((PARTS[1], trial.taught), (PARTS[2], trial.others)):
        found = _asked(detector, asked)
        precision[part] = _mean(pairs[0] for pairs in found.values())
        ranking[part] = _mean(pairs[1] for pairs in found.values())
        by_family |= {f"{part}: {name}": pairs[0] for name, pairs in found.items()}
    return Outcome(precision, ranking, _gains(real, trial.test_labels), by_family, seconds[0] / seconds[1])


def _both(detector: TaughtDetector, table: pa.Table) -> tuple[tuple[FloatArray, FloatArray], Pair]:
    """Scores without and with the lesson, and seconds: the blend inside is the one that the same rows alone give."""
    batch = table.combine_chunks().to_batches()[0]
    begun = time.process_time()
    blend_B = detector.score_untaught(batch)
    between = time.process_time()
    taught_B = detector.score(batch)
    return (blend_B, taught_B), (between - begun, time.process_time() - between)


def _pair(figure: Figure, scores: tuple[FloatArray, FloatArray], labels: BoolArray) -> Pair:
    return figure(scores[0], labels), figure(scores[1], labels)


def _mean(pairs: Iterable[Pair]) -> Pair:
    blend, taught = np.mean(list(pairs), axis=0)
    return float(blend), float(taught)


def _asked(detector: TaughtDetector, asked: Asked) -> dict[str, tuple[Pair, Pair]]:
    """Average precision and AUROC of each family that found a place, against the rows left alone."""
    scores, _ = _both(detector, asked.table)
    found = {}
    for at, name in enumerate(asked.names):
        mine = asked.family_N == at
        shown = mine | (asked.family_N == -1)
        if mine.any():
            cut = scores[0][shown], scores[1][shown]
            found[name] = _pair(average_precision, cut, mine[shown]), _pair(auroc, cut, mine[shown])
    return found


def _gains(scores: tuple[FloatArray, FloatArray], labels: BoolArray) -> FloatArray:
    """Gain in average precision in draws of scored rows, anomalous and normal apart; always the same draws, (R,)."""
    generator = np.random.default_rng(0)
    ranked = [Ranked(score, labels) for score in scores]
    gains = []
    for _ in range(DRAWS):
        weights = np.zeros(len(labels))
        for rows in (np.flatnonzero(labels), np.flatnonzero(~labels)):
            weights[rows] = np.bincount(generator.integers(0, len(rows), len(rows)), minlength=len(rows))
        gains.append(ranked[1].average_precision(weights) - ranked[0].average_precision(weights))
    return np.array(gains)


def _figures(results: dict[str, list[Outcome]]) -> Table:
    table = Table("set", "asked for", "blend AP", "taught AP", "gain by seed", "95% of draws", "AUROC", title="means")
    for name, outcomes in results.items():
        for part in PARTS:
            blend, taught = _mean(o.precision[part] for o in outcomes)
            gains = [o.precision[part][1] - o.precision[part][0] for o in outcomes]
            low, high = np.quantile(np.mean([o.drawn_gains for o in outcomes], axis=0), (0.025, 0.975))
            ranking = "{:.3f} → {:.3f}".format(*_mean(o.ranking[part] for o in outcomes))
            drawn = f"{low:+.4f} to {high:+.4f}" if part == PARTS[0] else ""
            by_seed = " ".join(f"{gain:+.4f}" for gain in gains)
            table.add_row(name, part, f"{blend:.4f}", f"{taught:.4f}", by_seed, drawn, ranking)
    return table


def _families(results: dict[str, list[Outcome]]) -> Table:
    table = Table("set", "family", "blend AP", "taught AP", title="by family, means over seeds that could place it")
    for name, outcomes in results.items():
        for family in sorted({f for o in outcomes for f in o.by_family}):
            blend, taught = _mean(o.by_family[family] for o in outcomes if family in o.by_family)
            table.add_row(name, family, f"{blend:.3f}", f"{taught:.3f}")
    return table


def _limits(console: Console, results: dict[str, list[Outcome]]) -> bool:
    """Gains in average precision on kdd99 (the services' mean) and on fraud, and speed."""
    groups = {
        group: [o for n, os in results.items() if n.startswith(group) for o in os] for group in ("kdd99", "fraud")
    }
    table = Table("limit", "figure", "")
    kept = []
    for group, outcomes in groups.items():
        for part in (PARTS[0], PARTS[2]) if outcomes else ():
            blend, taught = _mean(o.precision[part] for o in outcomes)
            kept.append(taught > blend)
            table.add_row(
                f"{group}, {part}: above the blend", f"{taught - blend:+.4f}", "kept" if kept[-1] else "MISSED"
            )
    speed = float(np.median([o.speed for outcomes in results.values() for o in outcomes]))
    kept.append(speed >= LEAST_SPEED)
    table.add_row(f"speed of the blend's: ≥ {LEAST_SPEED}", f"{speed:.2f}", "kept" if kept[-1] else "MISSED")
    console.print(table)
    return all(kept)
