"""Half-space trees: mass is conserved, steps add up, and the newest windows decide."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.half_space_trees import Config, HalfSpaceTreesDetector


def table(x: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> pa.Table:
    fields = [make_field(f"x{c}", Kind.NUMERIC, [Role.FEATURE]) for c in range(x.shape[1])]
    return pa.table([pa.array(column) for column in x.T], schema=pa.schema(fields))


def batch(x: "np.ndarray[tuple[int, int], np.dtype[np.float64]]") -> pa.RecordBatch:
    return table(x).to_batches()[0]


def test_children_share_their_parents_mass() -> None:
    detector = HalfSpaceTreesDetector(config=Config(trees=5, depth=6))
    detector.fit(table(np.random.default_rng(0).normal(0, 1, (2_000, 3))))
    mass = detector.state()[0]["mass_TN"]
    inner = 2**6 - 1
    assert mass[:, 0] == pytest.approx(250.0)
    assert mass[:, 1 : 2 * inner : 2] + mass[:, 2 : 2 * inner + 1 : 2] == pytest.approx(mass[:, :inner], abs=1e-3)


def test_empty_space_scores_above_crowded_space() -> None:
    g = np.random.default_rng(1)
    x = np.concatenate([g.normal(-3, 0.3, (2_000, 2)), g.normal(3, 0.3, (2_000, 2))])
    detector = HalfSpaceTreesDetector(seed=1)
    detector.fit(table(x[g.permutation(len(x))]))
    middle, crowded = detector.score(batch(np.zeros((1, 2)))), detector.score(batch(np.full((1, 2), 3.0)))
    assert middle[0] > crowded[0] + 2.0


def test_only_the_newest_windows_count() -> None:
    g = np.random.default_rng(2)
    x = np.concatenate([g.normal(0, 1, (5_000, 2)), g.normal(8, 1, (1_000, 2))])
    recent = HalfSpaceTreesDetector(config=Config(windows=4))
    recent.fit(table(x))
    old, new = recent.score(batch(np.zeros((1, 2)))), recent.score(batch(np.full((1, 2), 8.0)))
    assert old[0] > new[0]


def test_another_seed_draws_other_trees() -> None:
    x = np.random.default_rng(3).normal(0, 1, (500, 2))
    made = [HalfSpaceTreesDetector(seed=seed) for seed in (0, 0, 1)]
    for detector in made:
        detector.fit(table(x))
    a, b, c = (detector.score(batch(x)) for detector in made)
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)
