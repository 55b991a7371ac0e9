"""What the peers' own Python runs: one JSON request a line on standard input, one JSON answer a line on the output.

A request names a folder that holds `rows.npz` and says what is wanted: {"task": "score", "folder", "peers"} writes
`scores.npz`, one array a peer; {"task": "shap", "folder"} writes `shap.npz`. Each answer holds the CPU seconds of fit
and score. Nothing of the project is imported here; its packages need not exist in this environment.

Shape legend: B rows, D columns.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0


def main() -> None:
    """Answer requests until the input ends; libraries that print do so on the error stream."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        answer = TASKS[request["task"]](Path(request["folder"]), request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _score(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Fit and score each named peer: numbers standardised on the training rows, missing ones as the mean."""
    rows = np.load(folder / "rows.npz")
    train_BD, test_BD = _standardised(rows["train_BD"], rows["test_BD"])
    scores: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {}
    for name in request["peers"]:
        np.random.seed(SEED)
        begun = time.process_time()
        score = PEERS[name](train_BD)
        fitted = time.process_time()
        scores[name] = np.asarray(score(test_BD), dtype=np.float64)
        seconds[name] = [fitted - begun, time.process_time() - fitted]
    np.savez(folder / "scores.npz", **scores)
    return {"seconds": seconds}


def _shap(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What each column adds to being isolated early, by TreeExplainer on scikit-learn's isolation forest."""
    import shap
    from sklearn.ensemble import IsolationForest

    rows = np.load(folder / "rows.npz")
    begun = time.process_time()
    forest = IsolationForest(random_state=SEED).fit(rows["train_BD"])
    fitted = time.process_time()
    values_BD = np.asarray(shap.TreeExplainer(forest).shap_values(rows["test_BD"]))
    np.savez(folder / "shap.npz", isolation_BD=-values_BD)
    return {"seconds": {"shap": [fitted - begun, time.process_time() - fitted]}}


def _standardised(train_BD: Any, test_BD: Any) -> tuple[Any, Any]:
    mean_D = np.nan_to_num(np.nanmean(train_BD, axis=0))
    deviation_D = np.nan_to_num(np.nanstd(train_BD, axis=0))
    deviation_D[deviation_D < 1e-12] = 1.0
    return tuple(np.nan_to_num((x_BD - mean_D) / deviation_D).clip(-1e6, 1e6) for x_BD in (train_BD, test_BD))


def _pyod(module: str, name: str, **settings: Any) -> Callable[[Any], Callable[[Any], Any]]:
    """A PyOD model at its defaults; `decision_function` is high for what is strange."""

    def fit(train_BD: Any) -> Callable[[Any], Any]:
        model = getattr(__import__(f"pyod.models.{module}", fromlist=[name]), name)(**settings)
        model.fit(train_BD)
        found: Callable[[Any], Any] = model.decision_function
        return found

    return fit


def _half_space_trees(train_BD: Any) -> Callable[[Any], Any]:
    """river's, on values scaled to the range training showed; it goes on learning from what it scores."""
    from river.anomaly import HalfSpaceTrees

    low_D, high_D = train_BD.min(axis=0), train_BD.max(axis=0)
    width_D = np.where(high_D > low_D, high_D - low_D, 1.0)
    model = HalfSpaceTrees(seed=SEED)

    def rows(x_BD: Any) -> Any:
        return (dict(enumerate(row)) for row in ((x_BD - low_D) / width_D).clip(0.0, 1.0).tolist())

    for row in rows(train_BD):
        model.learn_one(row)

    def score(test_BD: Any) -> Any:
        found = []
        for row in rows(test_BD):
            found.append(model.score_one(row))
            model.learn_one(row)
        return np.array(found)

    return score


PEERS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "PyOD IForest": _pyod("iforest", "IForest", random_state=SEED),
    "PyOD ECOD": _pyod("ecod", "ECOD"),
    "PyOD HBOS": _pyod("hbos", "HBOS"),
    "PyOD KNN": _pyod("knn", "KNN"),
    "PyOD AutoEncoder": _pyod("auto_encoder", "AutoEncoder", random_state=SEED, verbose=0),
    "PyOD VAE": _pyod("vae", "VAE", random_state=SEED, verbose=0),
    "Sub-PCA (PyOD)": _pyod("pca", "PCA", random_state=SEED),
    "river HalfSpaceTrees": _half_space_trees,
}
TASKS: dict[str, Callable[[Path, dict[str, Any]], dict[str, Any]]] = {"score": _score, "shap": _shap}

if __name__ == "__main__":
    main()
