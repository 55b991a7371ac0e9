"""Boosted trees of two questions each, that learn a correction of a score from judged rows.

Newton boosting of the logistic loss with an offset (Friedman 2001; Chen and Guestrin 2016, eq. 5 to 7), the offset
being what the unlabelled detector says; every question of a level is the same for all its nodes, as in oblivious trees
(Kohavi and Li 1995). The quadratic penalty draws every leaf to 0: with few judged rows little is corrected, with none
nothing. Two questions are enough for "this column, in that range of another"; more only learned rows by heart
(docs/decisions/0028-feedback.md).

Shape legend: B rows, F features, T trees, L levels, V = 2^L leaves, K bins.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray, Tensors
from detectors.channels.base import Float32Array
from detectors.compiled import compiled

TREES, LEVELS, BINS = 60, 2, 32
LEARNING_RATE = 0.15
PENALTY = 5.0
"""On squared leaves, in judged rows: a leaf is drawn half way to 0 where its rows' curvature sums to this."""
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trees:
    """A fitted correction; `empty()` corrects nothing."""

    feature_TL: IntArray
    cut_TL: Float32Array
    """A row goes right where its feature is above."""
    leaf_TV: FloatArray

    @classmethod
    def empty(cls) -> Self:
        """No trees."""
        return cls(np.zeros((0, LEVELS), np.int64), np.zeros((0, LEVELS), np.float32), np.zeros((0, 1 << LEVELS)))

    @classmethod
    def fit(
        cls, x_FB: Float32Array, cuts: list[Float32Array], offset_B: FloatArray, y_B: FloatArray, w_B: FloatArray
    ) -> Self:
        """From rows with verdicts `y_B` (1 anomalous) of weight `w_B`, beyond what `offset_B` (log-odds) says already;
        `cuts` are each feature's possible questions (`cuts_of`). Features without a question are never asked."""
        codes_FB = np.stack([np.searchsorted(c, x_B, side="left") for c, x_B in zip(cuts, x_FB, strict=True)])
        codes_FB = codes_FB.astype(np.uint8)
        asked_F1 = np.array([len(c) for c in cuts])[:, None]
        margin_B = offset_B.copy()
        features, at, leaves = [], [], []
        for _ in range(TREES):
            p_B = 1.0 / (1.0 + np.exp(-margin_B))
            slope_B, curve_B = w_B * (p_B - y_B), w_B * p_B * (1.0 - p_B)
            node_B, questions = _grown(codes_FB, asked_F1, slope_B, curve_B)
            if not questions:
                break
            slope_V = np.bincount(node_B, slope_B, 1 << LEVELS)
            leaf_V = -LEARNING_RATE * slope_V / (np.bincount(node_B, curve_B, 1 << LEVELS) + PENALTY)
            margin_B = margin_B + leaf_V[node_B]
            features.append([f for f, _ in questions])
            at.append([float(cuts[f][k]) for f, k in questions])
            leaves.append(leaf_V)
        if not leaves:
            return cls.empty()
        return cls(np.array(features, np.int64), np.array(at, np.float32), np.stack(leaves))

    @property
    def features(self) -> IntArray:
        """The features that are asked about, ascending."""
        return np.unique(self.feature_TL)

    def renumbered(self, place_F: IntArray) -> "Trees":
        """The same trees over features in other places."""
        return Trees(place_F[self.feature_TL], self.cut_TL, self.leaf_TV)

    def total(self, x_FB: Float32Array) -> FloatArray:
        """The correction in log-odds, (B,)."""
        total_B = np.zeros(x_FB.shape[1])
        _total(np.ascontiguousarray(x_FB), self.feature_TL, self.cut_TL, self.leaf_TV, total_B)
        return total_B

    def by_feature(self, x_FB: Float32Array) -> FloatArray:
        """Shares of the correction, (F, B): of each tree, the first question's feature has the mean of the leaves left
        to choose from, the next what its own answer changes. They sum to `total`."""
        share_FB = np.zeros(x_FB.shape)
        for feature_L, cut_L, leaf_V in zip(self.feature_TL, self.cut_TL, self.leaf_TV, strict=True):
            node_B, before_B = np.zeros(x_FB.shape[1], np.int64), np.zeros(x_FB.shape[1])
            for level, (feature, cut) in enumerate(zip(feature_L, cut_L, strict=True)):
                node_B = 2 * node_B + (x_FB[feature] > cut)
                mean_B = leaf_V.reshape(2 << level, -1).mean(axis=1)[node_B]
                share_FB[feature] += mean_B - before_B
                before_B = mean_B
        return share_FB

    def state(self) -> Tensors:
        """As named arrays."""
        return {"feature_TL": self.feature_TL, "cut_TL": self.cut_TL, "leaf_TV": self.leaf_TV}

    @classmethod
    def from_state(cls, tensors: Tensors) -> Self:
        """What `state` described."""
        return cls(tensors["feature_TL"].astype(np.int64), tensors["cut_TL"], tensors["leaf_TV"])


def cuts_of(x_B: Float32Array) -> Float32Array:
    """Where a feature may be cut: quantiles of ordinary rows."""
    inner = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    return np.unique(np.quantile(x_B, inner)).astype(np.float32)


def _grown(
    codes_FB: npt.NDArray[np.uint8], asked_F1: IntArray, slope_B: FloatArray, curve_B: FloatArray
) -> tuple[IntArray, list[tuple[int, int]]]:
    """The leaf of each row and the questions (feature, cut), the best for all nodes of a level together; none where
    nothing can be gained."""
    node_B, questions = np.zeros(len(slope_B), np.int64), list[tuple[int, int]]()
    for level in range(LEVELS):
        sums_2FNK = np.zeros((2, len(codes_FB), 1 << level, BINS))
        _histogram(codes_FB, node_B, slope_B, curve_B, sums_2FNK)
        left_2FNK = sums_2FNK.cumsum(axis=3)
        gain_FK = (_gain(left_2FNK) + _gain(left_2FNK[..., -1:] - left_2FNK)).sum(axis=1)
        gain_FK[np.arange(BINS) >= asked_F1] = 0.0
        feature, cut = divmod(int(np.argmax(gain_FK)), BINS)
        if gain_FK[feature, cut] <= 0.0:
            return node_B, []
        questions.append((feature, cut))
        node_B = 2 * node_B + (codes_FB[feature] > cut)
    return node_B, questions


def _gain(sums: FloatArray) -> FloatArray:
    """What leaves with these sums of slope and curvature take off the loss, twice over."""
    return np.asarray(sums[0] ** 2 / (sums[1] + PENALTY))


@compiled
def _histogram(
    codes_FB: npt.NDArray[np.uint8], node_B: IntArray, slope_B: FloatArray, curve_B: FloatArray, sums_2FNK: FloatArray
) -> None:
    for f in range(codes_FB.shape[0]):
        for i in range(codes_FB.shape[1]):
            k = codes_FB[f, i]
            sums_2FNK[0, f, node_B[i], k] += slope_B[i]
            sums_2FNK[1, f, node_B[i], k] += curve_B[i]


@compiled
def _total(
    x_FB: Float32Array, feature_TL: IntArray, cut_TL: Float32Array, leaf_TV: FloatArray, total_B: FloatArray
) -> None:
    for t in range(feature_TL.shape[0]):
        for i in range(x_FB.shape[1]):
            node = 0
            for level in range(feature_TL.shape[1]):
                node = 2 * node + (1 if x_FB[feature_TL[t, level], i] > cut_TL[t, level] else 0)
            total_B[i] += leaf_TV[t, node]
