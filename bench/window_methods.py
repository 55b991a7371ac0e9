"""What `bench windows` compares: our detectors, windowed PCA as anyone would write it, and the peers, on one set.

Ours are one model for all keys. Every other method is a model a key, which is how it is meant to be used, on windows of
several lengths of which the set's best is taken, with labels: an advantage that ours do not have.

Shape legend: N rows, F metrics, L steps, D = F · L.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from rich.console import Console

from bench.peers.runner import Peers
from bench.window_sets import WindowSet
from detectors.base import Detector
from detectors.evaluation import auroc, average_precision
from detectors.evaluation.vus import vus_pr
from detectors.windows.calibration import TailTable

LENGTH = 128
MAX_BUFFER = 100
TRAINING_ROWS = 40_000
LENGTHS = (32, 64, 128)
"""Tried for each method that is not ours."""
MOST_COLUMNS = {
    "PyOD KNN": 1_300,
    "PyOD IForest": 1_300,
    "PyOD ECOD": 700,
    "PyOD AutoEncoder": 700,
    "Sub-PCA (PyOD)": 700,
    "river HalfSpaceTrees": 0,
}
"""Columns of a peer's windows: beyond them the set takes it a quarter of an hour or hours. 0: rows, not windows."""
SLOW_PEER, SLOW_ROWS = "PyOD AutoEncoder", 2_000
"""Which learns from so many windows of a key, drawn at random; the others from all."""
KEPT_VARIANCE = 0.9
FloatArray = npt.NDArray[np.float64]
Figures = tuple[float, float, float]
"""VUS-PR, AUROC and average precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One method on one set."""

    name: str
    figures: dict[str, Figures]
    """Of each key that has both classes."""
    fit_seconds: float
    rows_per_second: float

    def mean(self, keys: frozenset[str] | None = None) -> FloatArray:
        """The three figures' means over those keys."""
        chosen = [f for key, f in self.figures.items() if keys is None or key in keys]
        return np.asarray(np.mean(chosen, axis=0), dtype=np.float64)


def ours(data: WindowSet, detector: Detector) -> Outcome:
    """One of our detectors at its defaults, fitted once for all keys."""
    table = data.training_table(LENGTH, most=TRAINING_ROWS)
    started = time.monotonic()
    detector.fit(table)
    fitted = time.monotonic() - started
    scores, seconds = [], 0.0
    for batch in data.enriched(LENGTH):
        started = time.monotonic()
        scores.append(detector.score(batch))
        seconds += time.monotonic() - started
    whole = np.concatenate(scores)
    figures = {key: _figures(whole[at], data.labels[at]) for key, at in data.scored().items()}
    rate = len(data.labels) / seconds
    return Outcome(name=detector.name, figures=figures, fit_seconds=fitted, rows_per_second=rate)


@dataclass(slots=True)
class Tally:
    """A method's figures key by key, and its seconds."""

    name: str
    figures: dict[str, Figures] = field(default_factory=dict)
    fit_seconds: float = 0.0
    score_seconds: float = 0.0
    rows: int = 0

    def add(self, one: "KeyWindows", scores: FloatArray, fit_seconds: float, score_seconds: float) -> None:
        """One key's scores, of the rows that are not learned from."""
        self.figures[one.key] = _figures(np.nan_to_num(scores), one.labels)
        self.fit_seconds, self.score_seconds = self.fit_seconds + fit_seconds, self.score_seconds + score_seconds
        self.rows += len(scores)

    def outcome(self) -> Outcome:
        """What all keys so far come to."""
        rate = self.rows / max(self.score_seconds, 1e-9)
        return Outcome(name=self.name, figures=self.figures, fit_seconds=self.fit_seconds, rows_per_second=rate)


def windowed_pcas(data: WindowSet) -> list[Outcome]:
    """PCA of each key's windows, what its axes leave over: summed, and as tails of each metric, added."""
    found: list[list[Outcome]] = [[], []]
    for length in LENGTHS:
        runs = [Tally(f"windowed PCA, {how}, {length} steps") for how in ("summed", "metrics' tails")]
        for one in windows_by_key(data, length):
            started = time.process_time()
            pca = KeyPca.fit(one.train, len(data.metrics))
            fitted = time.process_time()
            energy_NF = pca.energies(one.test)
            scored = time.process_time()
            for run, scores_N in zip(runs, (energy_NF.sum(axis=1), pca.tail_nats(energy_NF)), strict=True):
                run.add(one, scores_N, fitted - started, scored - fitted)
        for tried, run in zip(found, runs, strict=True):
            tried.append(run.outcome())
    return [best(tried) for tried in found]


@dataclass(frozen=True, slots=True)
class KeyPca:
    """A key's standardised windows less what the axes of 90 % of their variance rebuild."""

    mean: FloatArray
    deviation: FloatArray
    axes: FloatArray
    tails: TailTable | None
    metrics: int

    @classmethod
    def fit(cls, train_ND: FloatArray, metrics: int) -> "KeyPca":
        """By an eigendecomposition; tails are those of the windows learned from."""
        mean_D, deviation_D = train_ND.mean(axis=0), train_ND.std(axis=0)
        deviation_D = np.where(deviation_D < 1e-9, 1.0, deviation_D)
        u_ND = ((train_ND - mean_D) / deviation_D).astype(np.float32)
        variance_D, axes_DD = np.linalg.eigh(u_ND.T @ u_ND / len(u_ND))
        share_D = np.cumsum(variance_D[::-1]) / max(float(variance_D.sum()), 1e-12)
        kept = int(np.searchsorted(share_D, KEPT_VARIANCE)) + 1
        bare = cls(mean_D, deviation_D, axes_DD[:, ::-1][:, :kept], None, metrics)
        roots_NFC = np.sqrt(bare.energies(train_ND))[:, :, None]
        tails = TailTable.fit(roots_NFC, np.zeros(len(u_ND), np.int64), 1, roots_NFC)
        return replace(bare, tails=tails)

    def energies(self, windows_ND: FloatArray) -> FloatArray:
        """Each metric's mean squared residual over the window, (N, F)."""
        u_ND = ((windows_ND - self.mean) / self.deviation).clip(-1e6, 1e6).astype(np.float32)
        left_ND = u_ND - (u_ND @ self.axes) @ self.axes.T
        squares_NFL = np.square(left_ND).reshape(len(u_ND), self.metrics, -1)
        return np.asarray(squares_NFL.mean(axis=2), dtype=np.float64)

    def tail_nats(self, energies_NF: FloatArray) -> FloatArray:
        """The metrics' tails among training windows, added, (N,)."""
        assert self.tails is not None
        key_N = np.zeros(len(energies_NF), np.int64)
        found: FloatArray = self.tails.nats(np.sqrt(energies_NF)[:, :, None], key_N).sum(axis=(1, 2))
        return found


def peer_outcomes(data: WindowSet, peers: Peers, console: Console) -> list[Outcome]:
    """Every peer, each with its best length; each length's mean is printed as it comes."""
    found: dict[str, list[Outcome]] = {}
    for length in (1, *LENGTHS):
        columns = length * len(data.metrics)
        names = [n for n, most in MOST_COLUMNS.items() if (columns <= most if length > 1 else most == 0)]
        runs = {name: Tally(f"{name}, {length} steps") for name in names}
        for one in windows_by_key(data, length):
            few = np.sort(np.random.default_rng(0).permutation(len(one.train))[:SLOW_ROWS])
            scores = peers.score(one.train, one.test, [name for name in names if name != SLOW_PEER])
            if SLOW_PEER in names:
                scores |= peers.score(one.train[few], one.test, [SLOW_PEER])
            for name, found_N in scores.items():
                runs[name].add(one, found_N.scores_B, found_N.fit_seconds, found_N.score_seconds)
        for name, run in runs.items():
            found.setdefault(name, []).append(run.outcome())
            console.print(f"{data.name}: {run.name} {run.outcome().mean()[0]:.3f}", highlight=False)
    return [best(tried) for tried in found.values()]


def best(outcomes: list[Outcome]) -> Outcome:
    """The one with the highest mean VUS-PR."""
    return max(outcomes, key=lambda outcome: float(outcome.mean()[0]))


@dataclass(frozen=True, slots=True)
class KeyWindows:
    """A key's windows, (N, F · L), and the labels of those to score."""

    key: str
    train: FloatArray
    test: FloatArray
    labels: npt.NDArray[np.bool_]


def windows_by_key(data: WindowSet, length: int) -> Iterator[KeyWindows]:
    """Each scored key; a window's beginning before the key's first row holds that row."""
    values_NF = np.stack([data.rows[metric].to_numpy() for metric in data.metrics], axis=1)
    for key, scored in data.scored().items():
        at = data.keys == key
        x_NF, first = values_NF[at], int(data.first[at].sum())
        padded = np.concatenate([np.repeat(x_NF[:1], length - 1, axis=0), x_NF])
        windows_NFL = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)
        windows_ND = windows_NFL.reshape(len(x_NF), -1)
        yield KeyWindows(key, windows_ND[:first], windows_ND[first:], data.labels[scored])


def _figures(scores: FloatArray, labels: npt.NDArray[np.bool_]) -> Figures:
    return vus_pr(scores, labels, max_buffer=MAX_BUFFER), auroc(scores, labels), average_precision(scores, labels)
