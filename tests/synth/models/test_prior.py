"""The learned prior finds where points lie."""

import numpy as np

from synth.vae.prior import Prior


def test_it_finds_three_clusters_with_their_shapes() -> None:
    g = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0]])
    which = g.choice(3, 6_000, p=[0.6, 0.3, 0.1])
    points = centres[which] + g.normal(size=(6_000, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    prior = Prior.fit(points.astype(np.float32), seed=0)
    drawn = prior.draw(30_000, np.random.default_rng(1))
    near = np.linalg.norm(drawn[:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(near) / len(near), [0.6, 0.3, 0.1], atol=0.03)
    np.testing.assert_allclose(np.cov(drawn[near == 0].T), np.cov(points[which == 0].T), atol=0.15)


def test_the_same_seed_gives_the_same_prior_and_few_or_equal_rows_do_no_harm() -> None:
    points = np.random.default_rng(2).normal(size=(500, 3)).astype(np.float32)
    a, b = (Prior.fit(points, seed=4) for _ in range(2))
    np.testing.assert_array_equal(a.mean_MZ, b.mean_MZ)
    same = Prior.fit(np.ones((20, 3), dtype=np.float32), seed=0).draw(10, np.random.default_rng(0))
    np.testing.assert_allclose(same, 1.0, atol=0.1)
