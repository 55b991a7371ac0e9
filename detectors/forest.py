"""Isolation forest (Liu, Ting, Zhou 2008): strange rows are cut off from the rest in few random splits.

scikit-learn grows the trees; only their arrays are kept, and all trees are walked together, one level at a time.
With h(x) the mean path length and c(n) its expected value for n rows, the paper's score is s = 2^(−h/c). Ours is
ln s(x) − ln s(average row) = ln 2 · (h̄ − h(x)) / c, in nats: it orders rows as s does, and it adds up. Every split
moves the expected remaining path length from its node's to its child's, and that move is credited to the feature
split on (path attribution, after Saabas 2014); what training never showed costs its fixed nats besides.

A baseline: works on wide numeric tables without tuning; weak where the strangeness lies in a combination.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from time import monotonic
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.ensemble import IsolationForest

from detectors.artifacts import check_made_by
from detectors.base import Detector, FitReport, FloatArray, Progress, Reason, Tensors
from detectors.channels.base import Float32Array
from detectors.design import Design
from detectors.errors import NotFittedError
from detectors.features import FeatureCodec
from detectors.reasons import column_sums, reasons

CHUNK_ROWS = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of the forest; the paper's defaults."""

    trees: int = 100
    rows_per_tree: int = 256


class ForestDetector(Detector):
    """See the module's head. Runs on the CPU whatever `device` says."""

    name: ClassVar[str] = "forest"
    version: ClassVar[int] = 1

    def __init__(
        self, *, seed: int = 0, time_budget_seconds: float = 120.0, device: str = "cpu", config: Config | None = None
    ) -> None:
        self.seed, self.time_budget_seconds, self.device = seed, time_budget_seconds, device
        self.config = config or Config()
        self._design: Design | None = None
        self._trees: Tensors = {}

    def fit(self, table: pa.Table, *, progress: Progress | None = None) -> FitReport:
        """Grow the trees, each on `rows_per_tree` random rows; the time budget is not needed."""
        started = monotonic()
        codec = FeatureCodec.fit(table)
        design = Design.of(codec)
        generator = np.random.default_rng(self.seed)
        wanted = self.config.trees * self.config.rows_per_tree
        rows = np.arange(table.num_rows)
        if table.num_rows > wanted:
            rows = generator.choice(table.num_rows, wanted, replace=False)
        x_BD = design.matrix(codec.encode(table.take(rows)))
        x_BD = np.hstack([x_BD, np.zeros((len(x_BD), 1), dtype=np.float32)])
        forest = IsolationForest(
            n_estimators=self.config.trees,
            max_samples=min(self.config.rows_per_tree, len(x_BD)),
            random_state=self.seed,
        ).fit(x_BD)
        self._trees, self._design = _tree_arrays(forest), design
        if progress is not None:
            progress(1.0, "grown")
        return FitReport(
            rows=table.num_rows,
            seconds=monotonic() - started,
            epochs=1,
            stopped_because="all trees grown",
            figures={"trees": float(self.config.trees), "nodes": float(self._trees["feature_TN"].size)},
        )

    def _fitted(self) -> Design:
        if self._design is None:
            raise NotFittedError("the forest was neither fitted nor loaded: call fit or from_state first")
        return self._design

    def score(self, batch: pa.RecordBatch) -> FloatArray:
        """How much sooner each row is cut off than the average one, in nats, and fixed nats; (B,)."""
        design = self._fitted()
        encoded = design.codec.encode(batch)
        scores_B: FloatArray = design.fixed_nats(encoded).sum(axis=0, dtype=np.float64)
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            x_BD = design.matrix(encoded.columns(start, start + CHUNK_ROWS))
            leaf_BT = list(self._walk(x_BD))[-1]
            moved_BT = self._trees["value_TN"][:, 0] - self._trees["value_TN"][np.arange(leaf_BT.shape[1]), leaf_BT]
            scores_B[start : start + CHUNK_ROWS] += moved_BT.mean(axis=1)
        return scores_B

    def _walk(self, x_BD: Float32Array) -> Iterator[npt.NDArray[np.intp]]:
        """Each row's node in each tree, (B, T), level by level from the root; a leaf stays where it is."""
        t = self._trees
        B, T = len(x_BD), len(t["feature_TN"])
        tree_T, row_B1 = np.arange(T), np.arange(B)[:, None]
        node_BT = np.zeros((B, T), dtype=np.intp)
        padded_BD = np.hstack([x_BD, np.zeros((B, 1), dtype=np.float32)])
        yield node_BT
        for _ in range(int(t["depth"][0])):
            left_BT = padded_BD[row_B1, t["feature_TN"][tree_T, node_BT]] <= t["threshold_TN"][tree_T, node_BT]
            node_BT = np.where(left_BT, t["left_TN"][tree_T, node_BT], t["right_TN"][tree_T, node_BT])
            yield node_BT

    def explain(self, batch: pa.RecordBatch, *, top: int = 5) -> list[tuple[Reason, ...]]:
        """Each row's `top` features by path attribution; expected values are those of training as a whole."""
        design = self._fitted()
        found: list[tuple[Reason, ...]] = []
        for start in range(0, batch.num_rows, CHUNK_ROWS):
            part = batch.slice(start, CHUNK_ROWS)
            found += reasons(design.codec, part, self._contributions(design, part), None, top=top)
        return found

    def _contributions(self, design: Design, batch: pa.RecordBatch) -> FloatArray:
        encoded = design.codec.encode(batch)
        B, D = batch.num_rows, len(design.column_of_D)
        t = self._trees
        tree_T, row_B1 = np.arange(len(t["feature_TN"])), np.arange(B)[:, None]
        credit_BD = np.zeros((B, D + 1))
        levels = list(self._walk(design.matrix(encoded)))
        for node_BT, child_BT in pairwise(levels):
            moved_BT = t["value_TN"][tree_T, node_BT] - t["value_TN"][tree_T, child_BT]
            np.add.at(credit_BD, (row_B1, t["feature_TN"][tree_T, node_BT]), moved_BT / len(tree_T))
        columns = len(design.codec.names)
        fixed_FB = column_sums(design.fixed_nats(encoded), design.codec.column_of_part, columns)
        return column_sums(credit_BD[:, :D].T, design.column_of_D, columns) + fixed_FB

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """The trees' arrays; settings and encoding as JSON."""
        design = self._fitted()
        settings = {"seed": self.seed, "time_budget_seconds": self.time_budget_seconds, "config": asdict(self.config)}
        document = {"name": self.name, "version": self.version, **settings, "features": design.codec.document()}
        return dict(self._trees), document

    @classmethod
    def from_state(cls, tensors: Tensors, document: dict[str, Any], *, device: str = "cpu") -> Self:
        """The detector that `state` described."""
        check_made_by(document, name=cls.name, version=cls.version)
        detector = cls(
            seed=document["seed"],
            time_budget_seconds=document["time_budget_seconds"],
            device=device,
            config=Config(**document["config"]),
        )
        detector._design = Design.of(FeatureCodec.from_document(document["features"]))
        detector._trees = dict(tensors)
        return detector

    @property
    def feature_names(self) -> Sequence[str]:
        """The columns this detector was fitted on, in order."""
        return self._fitted().codec.names


def _tree_arrays(forest: IsolationForest) -> Tensors:
    """All trees in arrays (trees T, nodes N), padded; leaves are their own children.

    `value_TN` is the expected path length of the training rows in a node, times ln 2 / c(n).
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    T, N = len(trees), max(tree.node_count for tree in trees)
    own_N = np.tile(np.arange(N, dtype=np.int32), (T, 1))
    arrays: Tensors = {
        "feature_TN": np.full((T, N), -1, dtype=np.int32),
        "threshold_TN": np.zeros((T, N), dtype=np.float32),
        "left_TN": own_N.copy(),
        "right_TN": own_N.copy(),
        "value_TN": np.zeros((T, N), dtype=np.float64),
        "depth": np.array([max(tree.max_depth for tree in trees)], dtype=np.int32),
    }
    unit = np.log(2.0) / max(float(_average_path(np.array([forest.max_samples_]))[0]), 1.0)
    for t, tree in enumerate(trees):
        n = tree.node_count
        split = tree.children_left[:n] >= 0
        arrays["feature_TN"][t, :n] = np.where(split, tree.feature[:n], -1)
        threshold = tree.threshold[:n].astype(np.float32)
        arrays["threshold_TN"][t, :n] = np.where(
            threshold > tree.threshold[:n], np.nextafter(threshold, -np.inf), threshold
        )
        arrays["left_TN"][t, :n] = np.where(split, tree.children_left[:n], np.arange(n))
        arrays["right_TN"][t, :n] = np.where(split, tree.children_right[:n], np.arange(n))
        arrays["value_TN"][t, :n] = _expected_paths(tree) * unit
    return arrays


def _expected_paths(tree: Any) -> FloatArray:
    """Mean path length of the training rows below each node, by a sweep from the last node to the root."""
    rows = tree.n_node_samples.astype(np.float64)
    depth = np.zeros(tree.node_count)
    value = np.zeros(tree.node_count)
    for i in range(tree.node_count):
        for child in (tree.children_left[i], tree.children_right[i]):
            if child >= 0:
                depth[child] = depth[i] + 1
    for i in reversed(range(tree.node_count)):
        left, right = tree.children_left[i], tree.children_right[i]
        if left < 0:
            value[i] = depth[i] + _average_path(rows[i : i + 1])[0]
        else:
            value[i] = (rows[left] * value[left] + rows[right] * value[right]) / rows[i]
    return value


def _average_path(rows: npt.NDArray[Any]) -> FloatArray:
    """c(n), the average path length of an unsuccessful search in a binary tree of n rows (eq. 1 of the paper)."""
    n = np.maximum(np.asarray(rows, dtype=np.float64), 2.0)
    length = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(rows > 2, length, np.where(rows == 2, 1.0, 0.0))
