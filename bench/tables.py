"""Detection on the public tables of adbench by their protocol, our detectors and the peers on the same splits.

Anomalies stay in the training rows and nobody sees a label. One split by default; `--splits N` averages over N. Seconds
are CPU seconds of one core. The tables were looked at while the recipe was made, so the halves below say how steady
the lead is, not how it does elsewhere.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from bench.detection_sets import DetectionSet
from bench.peers.child import PEERS
from bench.peers.runner import MISSING, FloatArray, Peers, PeerScores, peers
from bench.table_sets import adbench, adbench_paths, plain_numbers
from detectors.evaluation import auroc, average_precision
from detectors.registry import detector_class

OURS = ("blend", "vae", "forest", "pca", "ecod", "half_space_trees")
TABLE_PEERS = tuple(name for name in PEERS if name.startswith("PyOD"))
QUICK_PEERS = ("PyOD IForest",)
CHAMPION, RIVAL, SLOW_RIVAL = "blend", "PyOD IForest", "PyOD VAE"
LEAST_AUROC, LEAST_PRECISION, LEAST_HALVES, MOST_FIT_RATIO = 0.790, 0.470, 0.90, 0.2
HALVES = 2_000
WIDE = 220


@dataclass(frozen=True, slots=True)
class Figure:
    """What one method did on one set, means over splits."""

    auroc: float
    precision: float
    fit_seconds: float
    score_seconds: float


Results = dict[str, dict[str, Figure]]
"""By set, then by method."""


def run(console: Console, *, quick: bool = False, splits: int = 1) -> bool:
    """Print two tables; False where a limit was missed."""
    torch.set_num_threads(1)
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("tables: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    paths = adbench_paths(Path(folder))
    results: Results = {}
    with peers() as others:
        for path in paths[::5] if quick else paths:
            runs = [
                measure(adbench(path, split=s), others, QUICK_PEERS if quick else TABLE_PEERS) for s in range(splits)
            ]
            results[path.stem] = {m: _mean([one[m] for one in runs]) for m in runs[0]}
        if others is None:
            console.print(MISSING)
    wide(console).print(sets_table(results, CHAMPION, f"AUROC / average precision, {splits} split(s), lost ones first"))
    return _summary(console, results)


def measure(one: DetectionSet, others: Peers | None, peer_names: Sequence[str]) -> dict[str, Figure]:
    """Every detector of ours and every peer on one split of a table of numbers."""
    found = {name: figure_of(our_scores(name, one.train, one.test), one) for name in OURS}
    if others is not None:
        train_BD, test_BD = plain_numbers(one.train, one.test)
        found |= {name: figure_of(p, one) for name, p in others.score(train_BD, test_BD, peer_names).items()}
    return found


def our_scores(name: str, train: pa.Table, test: pa.Table) -> PeerScores:
    """One of our detectors at its defaults, timed as the peers are."""
    begun = time.process_time()
    detector = detector_class(name)()
    detector.fit(train)
    fitted = time.process_time()
    scores_B = detector.score(test.combine_chunks().to_batches()[0])
    return PeerScores(scores_B, fitted - begun, time.process_time() - fitted)


def figure_of(made: PeerScores, one: DetectionSet) -> Figure:
    """Ranks and seconds of one method on the test rows."""
    scores_B: FloatArray = np.nan_to_num(made.scores_B)
    ranks = auroc(scores_B, one.test_labels), average_precision(scores_B, one.test_labels)
    return Figure(*ranks, made.fit_seconds, made.score_seconds)


def _mean(figures: Sequence[Figure]) -> Figure:
    columns = zip(*((f.auroc, f.precision, f.fit_seconds, f.score_seconds) for f in figures), strict=True)
    return Figure(*(float(np.mean(column)) for column in columns))


def sets_table(results: Results, champion: str, title: str) -> Table:
    """One row a set: where the best other method is furthest ahead of the champion comes first."""
    methods = list(next(iter(results.values())))
    table = Table("set", "lost by", *methods, title=title)

    def behind(name: str) -> float:
        row = results[name]
        return max(f.auroc for m, f in row.items() if m != champion) - row[champion].auroc

    for name in sorted(results, key=behind, reverse=True):
        cells = [f"{results[name][m].auroc:.3f}/{results[name][m].precision:.3f}" for m in methods]
        table.add_row(name, f"{behind(name):.3f}" if behind(name) > 0 else "", *cells)
    return table


def wide(console: Console) -> Console:
    """The same, for a table with a column for every method."""
    return Console(file=console.file, width=WIDE)


def means(results: Results, method: str) -> tuple[float, float]:
    """Mean AUROC and average precision over sets."""
    figures = [row[method] for row in results.values()]
    return float(np.mean([f.auroc for f in figures])), float(np.mean([f.precision for f in figures]))


def halves_above(results: Results, method: str, rival: str) -> tuple[float, float]:
    """Shares of random halves of the sets on which `method`'s mean AUROC, and average precision, is the higher."""
    generator = np.random.default_rng(0)
    pairs = [(row[method], row[rival]) for row in results.values()]
    lead_N2 = np.array([(a.auroc - b.auroc, a.precision - b.precision) for a, b in pairs])
    draws = [generator.permutation(len(pairs))[: max(1, len(pairs) // 2)] for _ in range(HALVES)]
    above = np.array([lead_N2[draw].mean(axis=0) > 0.0 for draw in draws]).mean(axis=0)
    return float(above[0]), float(above[1])


def _summary(console: Console, results: Results) -> bool:
    """Means, lead over the isolation forest and cost of each method, beside the limits."""
    methods = list(next(iter(results.values())))
    rival = RIVAL if RIVAL in methods else "forest"
    slow = SLOW_RIVAL if SLOW_RIVAL in methods else None
    columns = ("AUROC", "AP", f"halves above {rival}: AUROC / AP", "fit s, sum", f"of {SLOW_RIVAL}'s")
    table = Table("method", *columns, title=f"means over {len(results)} sets")
    seconds = {m: sum(row[m].fit_seconds for row in results.values()) for m in methods}
    for m in sorted(methods, key=lambda m: -means(results, m)[0]):
        ranking, precision = means(results, m)
        halves = "" if m == rival else "{:.0%} / {:.0%}".format(*halves_above(results, m, rival))
        ratio = f"{seconds[m] / seconds[slow]:.2f}" if slow else "not measured"
        table.add_row(m, f"{ranking:.3f}", f"{precision:.3f}", halves, f"{seconds[m]:.1f}", ratio)
    table.add_section()
    ranking, precision = means(results, CHAMPION)
    above = halves_above(results, CHAMPION, rival)
    kept = [ranking >= LEAST_AUROC, precision >= LEAST_PRECISION, min(above) >= LEAST_HALVES]
    kept.append(slow is None or seconds[CHAMPION] <= MOST_FIT_RATIO * seconds[slow])
    limits = f"≥ {LEAST_AUROC:.3f}", f"≥ {LEAST_PRECISION:.3f}", f"≥ {LEAST_HALVES:.0%}", f"≤ {MOST_FIT_RATIO}"
    said = [f"{limit} {'kept' if ok else 'MISSED'}" for limit, ok in zip(limits, kept, strict=True)]
    table.add_row(f"limits of {CHAMPION}", said[0], said[1], said[2], "", said[3])
    console.print(table)
    return all(kept)
