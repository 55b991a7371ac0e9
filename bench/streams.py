"""Detection on public streams by their protocols: with and without keyed context, peers on the same derived columns.

kdd99's http and smtp have neither clock nor key; darpa98 and fraud are shown without context too. Every method learns
from the same at most `TRAIN_ROWS` rows, evenly drawn from the training part with its anomalies, and scores the same at
most `TEST_ROWS`; context is derived from all rows before each. Peers see numbers, waves of time and one-hot names, as
our PCA does. MIDAS-R reads darpa98's edges themselves, all of them.
"""

import os
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bench.detection_sets import DetectionSet, darpa98, fraud, kdd99
from bench.peers.child import PEERS
from bench.peers.runner import MISSING, Peers, peers
from bench.table_sets import design_of, designed
from bench.tables import CHAMPION, Figure, Results, figure_of, means, our_scores, sets_table, wide

TRAIN_ROWS, TEST_ROWS = 20_000, 40_000
OURS = ("blend", "vae", "forest", "pca", "ecod", "half_space_trees")
ROW_PEERS = tuple(name for name in PEERS if not name.startswith("Sub-"))
"""Those that score rows rather than windows."""
QUICK_PEERS = ("PyOD IForest",)
WITHOUT = ", no context"


def run(console: Console, *, quick: bool = False) -> bool:
    """Print each set and the means; False where a peer's mean is above the blend's."""
    torch.set_num_threads(1)
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("streams: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    results: Results = {}
    with peers() as others:
        for one in _sets(Path(folder), quick=quick):
            results[one.name] = measure(one, others, quick=quick)
        if others is None:
            console.print(MISSING)
    wide(console).print(sets_table(results, CHAMPION, "AUROC / average precision, lost ones first"))
    return _summary(console, results)


def _sets(folder: Path, *, quick: bool) -> list[DetectionSet]:
    found = [kdd99("http", folder=folder), kdd99("smtp", folder=folder)]
    if not quick:
        for make in (darpa98, fraud):
            bare = make(folder=folder, context=False)
            without = DetectionSet(bare.name + WITHOUT, bare.train, bare.test, bare.train_labels, bare.test_labels)
            found += [make(folder=folder), without]
    return [_thinned(one) for one in found]


def _thinned(one: DetectionSet) -> DetectionSet:
    """Rows evenly spaced in time."""
    train = np.unique(np.linspace(0, one.train.num_rows - 1, TRAIN_ROWS).astype(np.int64))
    test = np.unique(np.linspace(0, one.test.num_rows - 1, TEST_ROWS).astype(np.int64))
    parts = one.train.take(train), one.test.take(test)
    return DetectionSet(one.name, *parts, one.train_labels[train], one.test_labels[test])


def measure(one: DetectionSet, others: Peers | None, *, quick: bool) -> dict[str, Figure]:
    """Every method on one set."""
    found = {name: figure_of(our_scores(name, one.train, one.test), one) for name in OURS}
    if others is not None:
        design = design_of(one.train)
        parts = designed(design, one.train), designed(design, one.test)
        made = others.score(*parts, QUICK_PEERS if quick else ROW_PEERS)
        found |= {name: figure_of(scores, one) for name, scores in made.items()}
    return found


def _summary(console: Console, results: Results) -> bool:
    """Means over the sets that are as people would have them, and over all."""
    best = {name: row for name, row in results.items() if not name.endswith(WITHOUT)}
    table = Table("method", "AUROC", "AP", "AUROC, no context", "AP, no context", title="means")
    bare = {n: r for n, r in results.items() if n + WITHOUT not in results}
    methods = list(next(iter(results.values())))
    for method in sorted(methods, key=lambda m: -means(best, m)[0]):
        table.add_row(method, *(f"{x:.3f}" for x in (*means(best, method), *means(bare, method))))
    others = [method for method in methods if method in PEERS]
    kept = all(
        mine > theirs
        for method in others
        for part in (best, bare)
        for mine, theirs in zip(means(part, CHAMPION), means(part, method), strict=True)
    )
    table.add_section()
    table.add_row(f"{CHAMPION} above every peer in all four: {'kept' if kept else 'MISSED'}" if others else "no peers")
    console.print(table)
    return kept
