"""Window detectors on telemetry: mean VUS-PR, AUROC and average precision over keys, beside peers on the same windows.

Needs EDDYLINE_DATA. Peers run where EDDYLINE_PEERS_PYTHON names a Python with pyod, scikit-learn and river: one model a
key, which is how they are meant to be used; ours is one model for all keys. A peer that takes longer than its limit is
reported as such.
"""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from bench.window_sets import WindowSet, halves, jumpstarter, nab
from detectors.base import Detector
from detectors.evaluation import auroc, average_precision
from detectors.evaluation.vus import vus_pr
from detectors.windows.window_pca import WindowPcaDetector
from detectors.windows.window_vae import WindowVaeDetector

LENGTH = 128
MAX_BUFFER = 100
TRAINING_ROWS = 40_000
QUICK_KEYS = 6
PEERS = (
    "windowed PCA",
    "PyOD KNN",
    "PyOD PCA",
    "PyOD ECOD",
    "PyOD IForest",
    "PyOD AutoEncoder",
    "river HalfSpaceTrees",
)
PEER_LENGTHS = (32, 64, 128)
"""Each peer is given the length that is best for it on the set."""
PEER_LIMIT_SECONDS = 900
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One detector on one set."""

    name: str
    figures: dict[str, tuple[float, float, float]]
    """VUS-PR, AUROC and average precision of each key that has both classes."""
    fit_seconds: float
    rows_per_second: float

    def mean(self, keys: frozenset[str] | None = None) -> FloatArray:
        """The three figures' means over those keys."""
        chosen = [f for key, f in self.figures.items() if keys is None or key in keys]
        return np.asarray(np.mean(chosen, axis=0), dtype=np.float64)


def run(console: Console, *, quick: bool = False) -> bool:
    """Print the table. True where the window VAE's mean VUS-PR is above all others' on both sets."""
    folder = os.environ.get("EDDYLINE_DATA")
    if not folder:
        console.print("windows: needs the public sets in the folder that EDDYLINE_DATA names; left out")
        return True
    reached = True
    for make in (nab, jumpstarter):
        data = make(Path(folder))
        data = _few(data) if quick else data
        outcomes = [_ours(data, detector) for detector in (WindowVaeDetector(), WindowPcaDetector())]
        outcomes += _peers(data, console)
        outcomes.sort(key=lambda outcome: -outcome.mean()[0])
        console.print(_table(data, outcomes))
        reached &= outcomes[0].name == WindowVaeDetector.name
    return reached


def _table(data: WindowSet, outcomes: list[Outcome]) -> Table:
    chosen, others = halves(data.keys)
    table = Table(
        data.name,
        "VUS-PR",
        "chosen half",
        "other half",
        "AUROC",
        "AP",
        "fit s",
        "rows/s",
        title=f"{len(outcomes[0].figures)} keys with anomalies, buffers 0 to {MAX_BUFFER}",
    )
    for o in outcomes:
        means = o.mean()
        vus = (means[0], o.mean(chosen)[0], o.mean(others)[0], means[1], means[2])
        table.add_row(o.name, *(f"{v:.3f}" for v in vus), f"{o.fit_seconds:,.1f}", f"{o.rows_per_second:,.0f}")
    return table


def _ours(data: WindowSet, detector: Detector) -> Outcome:
    table = data.training_table(LENGTH, most=TRAINING_ROWS)
    started = time.monotonic()
    detector.fit(table)
    fitted = time.monotonic() - started
    scores, seconds = [], 0.0
    for batch in data.enriched(LENGTH):
        started = time.monotonic()
        scores.append(detector.score(batch))
        seconds += time.monotonic() - started
    rate = len(data.labels) / seconds
    by_key = {key: np.concatenate(scores)[at] for key, at in _scored(data).items()}
    name = f"{detector.name}"
    return Outcome(name=name, figures=_figures(data, by_key), fit_seconds=fitted, rows_per_second=rate)


def _scored(data: WindowSet) -> dict[str, npt.NDArray[np.int64]]:
    """The rows to score of each key that has rows of both kinds among them."""
    rows = {str(key): np.flatnonzero((data.keys == key) & ~data.first) for key in np.unique(data.keys)}
    return {key: at for key, at in rows.items() if data.labels[at].any() and not data.labels[at].all()}


def _figures(data: WindowSet, scores: dict[str, FloatArray]) -> dict[str, tuple[float, float, float]]:
    found = {}
    for key, at in _scored(data).items():
        s, labels = scores[key], data.labels[at]
        found[key] = vus_pr(s, labels, max_buffer=MAX_BUFFER), auroc(s, labels), average_precision(s, labels)
    return found


def _peers(data: WindowSet, console: Console) -> list[Outcome]:
    python = os.environ.get("EDDYLINE_PEERS_PYTHON")
    if not python:
        console.print("peers are left out: EDDYLINE_PEERS_PYTHON does not name a Python that has them")
        return []
    found = []
    for peer in PEERS:
        lengths = PEER_LENGTHS if peer != "river HalfSpaceTrees" else (1,)
        tried = [outcome for length in lengths if (outcome := _peer(data, python, peer, length)) is not None]
        if not tried:
            console.print(f"{peer} on {data.name}: longer than {PEER_LIMIT_SECONDS} s, left out")
            continue
        found.append(max(tried, key=lambda outcome: float(outcome.mean()[0])))
    return found


def _peer(data: WindowSet, python: str, peer: str, length: int) -> Outcome | None:
    values = np.stack([data.rows[metric].to_numpy() for metric in data.metrics], axis=1)
    keys = _scored(data)
    arrays: dict[str, npt.NDArray[np.float64]] = {}
    for key in keys:
        at = data.keys == key
        arrays |= {f"{key}|x": values[at], f"{key}|n": np.array(float(data.first[at].sum()))}
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, length=np.array(float(length)), **arrays)  # type: ignore[arg-type]
        child = Path(__file__).with_name("window_peers_child.py")
        command = [python, str(child), peer, str(source), str(target)]
        try:
            subprocess.run(command, check=True, timeout=PEER_LIMIT_SECONDS, capture_output=True)
        except subprocess.TimeoutExpired:
            return None
        with np.load(target) as out:
            scores, seconds = {key: out[key] for key in keys}, float(out["seconds"])
    rows = sum(len(s) for s in scores.values())
    name = f"{peer}, {length} steps"
    return Outcome(name=name, figures=_figures(data, scores), fit_seconds=seconds, rows_per_second=rows / seconds)


def _few(data: WindowSet) -> WindowSet:
    names = np.random.default_rng(5).permutation(sorted(_scored(data)))[:QUICK_KEYS]
    keep = np.isin(data.keys, names)
    rows = data.rows.filter(pa.array(keep)).combine_chunks()
    return replace(data, rows=rows, labels=data.labels[keep], first=data.first[keep], keys=data.keys[keep])
