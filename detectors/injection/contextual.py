"""Contextual anomalies: two rows swap a value that is usual in itself and does not fit where it lands.

What a value fits is read from groups of rows alike: leaves of a small decision tree over the other columns, keys, or
hours of the day. A swap is taken where, in both rows, the new value is `severity` nats rarer within its group than in
the table as a whole. Columns keep their values as a whole, so no marginal gives the anomaly away. Where a column does
not depend on its group nothing can be out of context, and nothing is injected into it.

Shape legend: N rows, G groups, K bins of the column, m rows to change, d donors tried for each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeClassifier

from detectors.design import Design
from detectors.features import FeatureCodec
from detectors.injection.edits import Edits
from detectors.injection.ledger import Ledger
from detectors.injection.plan import Family
from detectors.injection.truth import BoolArray, FloatArray, IntArray
from detectors.injection.view import TableView

BINS = 8
MOST_LEVELS = 32
DONORS = 64
TRIES = 20
"""Rows tried for each one wanted, before the family is left short."""
MOST_COLUMNS = 12
"""Columns tried, at random where there are more: each costs a tree."""
TREE_ROWS = 10_000
LEAVES = 64
LEAF_ROWS = 40
PRIOR_ROWS = 0.5
"""Rows of the whole table's frequencies added to each group's."""
MS_PER_HOUR = 3_600_000


@dataclass(frozen=True, slots=True)
class _Fit:
    """How much rarer each bin is within each group than overall, in nats."""

    bin_N: IntArray
    group_N: IntArray
    nats_GK: FloatArray

    def gain(self) -> float:
        """Mean nats that knowing the group saves: 0 where the column does not depend on it."""
        known = self.bin_N >= 0
        return float(-self.nats_GK[self.group_N[known], self.bin_N[known]].mean()) if known.any() else 0.0


def inject_contextual(
    view: TableView, edits: Edits, ledger: Ledger, at: int, family: Family, g: np.random.Generator
) -> None:
    """Swap values between free rows, in pairs, until the family's share is reached or no pair is left."""
    names = [name for name in (*view.numbers, *view.levels) if name not in view.key]
    names = [names[i] for i in g.permutation(len(names))[:MOST_COLUMNS]]
    grouping = _grouping(view, family.way, g)
    fits = {name: _fit(view, name, grouping) for name in names}
    gains = {name: max(0.0, fit.gain()) for name, fit in fits.items()}
    total, wanted = sum(gains.values()), max(2, round(family.share * view.rows))
    if total <= 0.0:
        return
    left = wanted
    for name in sorted(names, key=lambda name: gains[name]):  # what weak columns cannot place, strong ones take
        share = gains[name] / total
        total -= gains[name]
        count = min(left, 2 * round(left * share / 2)) if total > 0 else left
        left -= _swap_pairs(fits[name], name, count, edits, ledger, at, family, g)


def _grouping(view: TableView, way: str, g: np.random.Generator) -> Callable[[str, IntArray], IntArray]:
    if way == "key":
        return lambda name, bins: view.group_N
    if way == "hour":
        times = view.times_ms
        hour = np.zeros(view.rows) if times is None else np.nan_to_num(times // MS_PER_HOUR % 24)
        return lambda name, bins: hour.astype(np.int64)
    codec = FeatureCodec.fit(view.table)
    design = Design.of(codec)
    x_ND = design.matrix(codec.encode(view.table))
    x_ND = np.clip(x_ND, -1e6, 1e6)
    owner = np.array(codec.names, dtype=object)[design.column_of_D]
    seed = int(g.integers(2**31))
    return lambda name, bins: _leaves(x_ND[:, owner != name], bins, seed)


def _leaves(x_ND: npt.NDArray[np.float32], bin_N: IntArray, seed: int) -> IntArray:
    """The leaf of each row in a tree that predicts a column's bin from the other columns, (N,)."""
    known = np.flatnonzero(bin_N >= 0)
    if x_ND.shape[1] == 0 or len(known) < 2 * LEAF_ROWS:
        return np.zeros(len(bin_N), dtype=np.int64)
    if len(known) > TREE_ROWS:
        known = np.random.default_rng(seed).choice(known, TREE_ROWS, replace=False)
    features = min(x_ND.shape[1], 64)
    tree = DecisionTreeClassifier(
        max_leaf_nodes=LEAVES, min_samples_leaf=LEAF_ROWS, max_features=features, random_state=seed
    )
    leaf: IntArray = tree.fit(x_ND[known], bin_N[known]).apply(x_ND)
    return np.unique(leaf, return_inverse=True)[1].astype(np.int64)


def _fit(view: TableView, name: str, grouping: Callable[[str, IntArray], IntArray]) -> _Fit:
    bin_N = _bins(view, name)
    group_N = grouping(name, bin_N)
    G, K = int(group_N.max(initial=0)) + 1, int(bin_N.max(initial=0)) + 1
    known = bin_N >= 0
    counts_GK = np.bincount(group_N[known] * K + bin_N[known], minlength=G * K).reshape(G, K)
    overall_K = (counts_GK.sum(axis=0) + 0.5) / (counts_GK.sum() + 0.5 * K)
    within_GK = (counts_GK + PRIOR_ROWS * overall_K) / (counts_GK.sum(axis=1, keepdims=True) + PRIOR_ROWS)
    return _Fit(bin_N, group_N, np.log(overall_K) - np.log(within_GK))


def _bins(view: TableView, name: str) -> IntArray:
    """A column in a few bins, (N,): equal counts for numbers, levels as they are, the rare ones as one; −1 for null."""
    if name in view.levels:
        codes = view.codes(name)
        counts = np.bincount(codes[codes >= 0]) if (codes >= 0).any() else np.zeros(1, dtype=np.int64)
        rank = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")
        return np.where(codes < 0, -1, np.minimum(rank[codes], MOST_LEVELS - 1)).astype(np.int64)
    values = view.values(name)
    known = values[~np.isnan(values)]
    if not len(known):
        return np.full(len(values), -1, dtype=np.int64)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left")).astype(np.int64)


def _swap_pairs(
    fit: _Fit, name: str, count: int, edits: Edits, ledger: Ledger, at: int, family: Family, g: np.random.Generator
) -> int:
    """Swap the column between up to `count` rows; returns how many were changed."""
    free = g.permutation(np.flatnonzero(ledger.free_N & (fit.bin_N >= 0)))
    if count < 2 or len(free) < 2:
        return 0
    taken: BoolArray = np.zeros(len(fit.bin_N), dtype=np.bool_)
    pairs: list[tuple[int, int, float]] = []
    for row in free[: TRIES * count].tolist():
        if 2 * len(pairs) >= count:
            break
        if taken[row]:
            continue
        found = _donor(fit, row, free[g.integers(0, len(free), DONORS)], taken, g.uniform(*family.strength))
        if found is not None:
            taken[[row, found[0]]] = True
            pairs.append((row, *found))
    if not pairs:
        return 0
    a, b = (np.array([pair[i] for pair in pairs], dtype=np.int64) for i in (0, 1))
    edits.swap(name, a, b)
    ledger.single_rows(at, np.concatenate([a, b]), name, np.tile([pair[2] for pair in pairs], 2))
    return 2 * len(pairs)


def _donor(fit: _Fit, row: int, donors_d: IntArray, taken: BoolArray, severity: float) -> tuple[int, float] | None:
    """The donor nearest above `severity` in both rows, with what it reaches; None where there is none."""
    here_d = fit.nats_GK[fit.group_N[row], fit.bin_N[donors_d]]
    there_d = fit.nats_GK[fit.group_N[donors_d], fit.bin_N[row]]
    reached_d = np.minimum(here_d, there_d)
    reached_d = np.where(taken[donors_d] | (reached_d < severity), np.inf, reached_d)
    best = int(np.argmin(reached_d))
    return (int(donors_d[best]), float(reached_d[best])) if np.isfinite(reached_d[best]) else None
