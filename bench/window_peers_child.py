"""Run in the peers' environment: score windows that a file holds with one peer, a model a key, and write the scores.

`python window_peers_child.py PEER IN.npz OUT.npz`; IN has, for each key, `KEY|x` (steps, metrics) and `KEY|n`, the
steps to learn from, and `length`. Needs pyod, scikit-learn and, for half-space trees, river; knows nothing of Eddyline.
"""

import sys
import time
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
MOST_TRAINING_WINDOWS = 3_000
"""Of a key: more make neighbours and autoencoders too slow to compare with."""

PYOD: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PyOD IForest": ("iforest", "IForest", {"random_state": 0}),
    "PyOD ECOD": ("ecod", "ECOD", {}),
    "PyOD KNN": ("knn", "KNN", {}),
    "PyOD PCA": ("pca", "PCA", {}),
    "PyOD AutoEncoder": ("auto_encoder", "AutoEncoder", {"epoch_num": 5, "verbose": 0, "random_state": 0}),
}


class _WindowedPca:
    """Squared residual beside the axes that keep 90 % of the variance."""

    def fit(self, x: FloatArray) -> None:
        self._pca = import_module("sklearn.decomposition").PCA(0.9, svd_solver="full").fit(x)

    def decision_function(self, x: FloatArray) -> FloatArray:
        rebuilt = self._pca.inverse_transform(self._pca.transform(x))
        return np.asarray(np.square(x - rebuilt).sum(axis=1), dtype=np.float64)


class _HalfSpaceTrees:
    """River's, on the row alone, learning as it goes."""

    def fit(self, x: FloatArray) -> None:
        trees = import_module("river.anomaly").HalfSpaceTrees(seed=0)
        scaler = import_module("river.preprocessing").MinMaxScaler()
        self._trees = import_module("river.compose").Pipeline(scaler, trees)
        self._pass(x)

    def _pass(self, x: FloatArray) -> FloatArray:
        scores = np.empty(len(x))
        for i, row in enumerate(x):
            named = dict(enumerate(row.tolist()))
            scores[i] = self._trees.score_one(named)
            self._trees.learn_one(named)
        return scores

    def decision_function(self, x: FloatArray) -> FloatArray:
        return self._pass(x)


def _make(peer: str) -> Any:
    if peer == "windowed PCA":
        return _WindowedPca()
    if peer == "river HalfSpaceTrees":
        return _HalfSpaceTrees()
    module, name, settings = PYOD[peer]
    return getattr(import_module(f"pyod.models.{module}"), name)(**settings)


def _windows(x: FloatArray, length: int) -> FloatArray:
    padded = np.concatenate([np.repeat(x[:1], length - 1, axis=0), x])
    views = np.lib.stride_tricks.sliding_window_view(padded, length, axis=0)
    return views.reshape(len(x), -1).astype(np.float32)


def main(peer: str, source: str, target: str) -> None:
    """Fit and score each key by itself, its metrics standardised by the steps to learn from."""
    data = np.load(source)
    length = 1 if peer == "river HalfSpaceTrees" else int(data["length"])
    scores: dict[str, Any] = {}
    started = time.monotonic()
    for key in sorted(name[:-2] for name in data.files if name.endswith("|x")):
        x, n = data[f"{key}|x"], int(data[f"{key}|n"])
        spread = x[:n].std(axis=0)
        scaled = np.clip((x - x[:n].mean(axis=0)) / np.where(spread < 1e-9, 1.0, spread), -1e6, 1e6)
        windows = _windows(scaled, length)
        rows = np.arange(n)
        if n > MOST_TRAINING_WINDOWS and peer in ("PyOD KNN", "PyOD AutoEncoder"):
            rows = np.sort(np.random.default_rng(0).choice(n, MOST_TRAINING_WINDOWS, replace=False))
        model = _make(peer)
        model.fit(windows[rows])
        scores[key] = np.nan_to_num(np.asarray(model.decision_function(windows[n:]), dtype=np.float64))
    np.savez(target, seconds=time.monotonic() - started, **scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
