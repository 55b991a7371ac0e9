"""Do reasons name the column at fault? Anomalies put into known columns of rows that were held out.

Each set is learned from (at most `TRAIN_ROWS` rows, anomalies left in); of its other rows, ordinary ones are drawn and
anomalies put into some: a value 4 standard deviations away (`point:number`), or a value swapped in from a row of other
habits, so that every column keeps its values (`contextual:columns`). Hit at k: an affected column is among the first k
reasons. Beside the blend: the residuals of our PCA, and SHAP's TreeExplainer on scikit-learn's isolation forest, which
gets the same one-hot matrix as PCA, its values summed per column. All explain the same rows.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from rich.console import Console
from rich.table import Table

from bench.detection_sets import DetectionSet, kdd99
from bench.peers.runner import MISSING, Peers, peers
from bench.table_sets import MIXED_LABELS, adbench, adbench_paths, design_of, designed, drawn, mixed
from detectors.base import Detector
from detectors.injection import AnomalyKind, Family, Plan, inject
from detectors.reasons import column_sums
from detectors.registry import detector_class

TRAIN_ROWS, HELD_OUT_ROWS = 20_000, 6_000
ANOMALOUS_SHARE = 0.05
"""Of the held-out rows, for each of the two kinds."""
LEAST_ROWS, MOST_COLUMNS = 1_000, 64
"""adbench tables with fewer rows in training, or more columns, are left out: few anomalies fit, and SHAP is slow."""
LIMITS = {AnomalyKind.POINT: 0.90, AnomalyKind.CONTEXTUAL: 0.75}
OURS, PCA, SHAP = "blend", "pca", "SHAP on IForest"
FAMILIES = tuple(Family(kind=kind, share=ANOMALOUS_SHARE) for kind in LIMITS)
IntArray = npt.NDArray[np.int64]
Hits = dict[tuple[str, AnomalyKind], tuple[float, float]]
"""By method and kind: the shares of anomalies hit at 1 and at 3."""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows to learn from, and anomalous rows with the columns that were changed in each, (B, F)."""

    name: str
    train: pa.Table
    anomalous: pa.Table
    kinds_B: list[AnomalyKind]
    affected_BF: npt.NDArray[np.bool_]


def run(console: Console, *, quick: bool = False) -> bool:
    """Print one table a kind; False where a limit was missed."""
    torch.set_num_threads(1)
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("reasons: left out, EDDYLINE_DATA names no folder of data sets")
        return True
    found: dict[str, Hits] = {}
    with peers() as others:
        for one in _sets(Path(folder), quick=quick):
            task = make_task(one)
            found[task.name] = hits(task, others)
        if others is None:
            console.print(MISSING)
    return all([_report(console, kind, found) for kind in LIMITS])  # noqa: C419 - every table is printed


def _sets(folder: Path, *, quick: bool) -> Iterator[DetectionSet]:
    if not quick:
        yield from (mixed(folder, name) for name in MIXED_LABELS)
        yield kdd99("http", folder=folder)
    made = (adbench(path) for path in adbench_paths(folder))
    wanted = [s for s in made if s.train.num_rows >= LEAST_ROWS and 3 < s.train.num_columns <= MOST_COLUMNS]
    yield from wanted[:2] if quick else wanted


def make_task(one: DetectionSet) -> Task:
    """Injects into held-out rows that no label calls anomalous."""
    train = one.train.take(drawn(one.train, TRAIN_ROWS, seed=0))
    ordinary = one.test.filter(pa.array(~one.test_labels))
    held_out = ordinary.take(drawn(ordinary, HELD_OUT_ROWS, seed=1))
    injected = inject(held_out, Plan(families=FAMILIES), seed=0)
    at = np.flatnonzero(injected.truth.labels_N)
    kinds = [kind for kind in injected.truth.kinds() if kind is not None]
    return Task(one.name, train, injected.table.take(at), kinds, injected.truth.affected_NC[at])


def hits(task: Task, others: Peers | None) -> Hits:
    """Hit rates of each method on the same rows."""
    ranked = {name: _first_three(detector_class(name)(), task) for name in (OURS, PCA)}
    if others is not None:
        ranked[SHAP] = _shap_first_three(task, others)
    found: Hits = {}
    for method, first_B3 in ranked.items():
        right_B3 = np.take_along_axis(task.affected_BF, first_B3, axis=1)
        for kind in LIMITS:
            mine_B = np.array([k is kind for k in task.kinds_B])
            if mine_B.any():
                of_kind = right_B3[mine_B]
                found[method, kind] = float(of_kind[:, 0].mean()), float(of_kind.any(axis=1).mean())
    return found


def _first_three(detector: Detector, task: Task) -> IntArray:
    """Column numbers of each row's first three reasons, (B, 3)."""
    detector.fit(task.train)
    rows = detector.explain(task.anomalous.combine_chunks().to_batches()[0], top=3)
    at = {name: f for f, name in enumerate(task.train.column_names)}
    return np.array([[at[reason.column] for reason in row] for row in rows], dtype=np.int64)


def _shap_first_three(task: Task, others: Peers) -> IntArray:
    design = design_of(task.train)
    isolation_BD = others.isolation_shap(designed(design, task.train), designed(design, task.anomalous))
    sums_FB = column_sums(isolation_BD.T, design.column_of_D, task.train.num_columns)
    return np.argsort(-sums_FB, axis=0, kind="stable")[:3].T.astype(np.int64)


def _report(console: Console, kind: AnomalyKind, found: dict[str, Hits]) -> bool:
    """One table, the sets where the blend is behind a peer or its limit first; True where the limits are kept."""
    methods = [m for m in (OURS, PCA, SHAP) if any((m, kind) in hit for hit in found.values())]
    having = {name: hit for name, hit in found.items() if (OURS, kind) in hit}
    lead = {n: hit[OURS, kind][1] - max(hit[m, kind][1] for m in methods[1:]) for n, hit in having.items()}
    table = Table(str(kind), *(f"{m}: hit at 1 / 3" for m in methods), f"limit at 3: {LIMITS[kind]:.2f}, above peers")
    for name in sorted(having, key=lambda n: lead[n]):
        cells = [f"{having[name][m, kind][0]:.2f} / {having[name][m, kind][1]:.2f}" for m in methods]
        table.add_row(name, *cells, "behind a peer" if lead[name] < 0 else "")
    means = {m: np.mean([hit[m, kind] for hit in having.values()], axis=0) for m in methods}
    kept = means[OURS][1] >= LIMITS[kind] and all(means[OURS][1] > means[m][1] for m in methods[1:])
    table.add_section()
    table.add_row(
        f"mean of {len(having)}", *(f"{a:.3f} / {b:.3f}" for a, b in means.values()), "kept" if kept else "MISSED"
    )
    console.print(table)
    return bool(kept)
