"""The lesson's mathematics: it never calls more surprise less strange, and adds up over columns."""

import numpy as np
import pytest
import torch
from torch import Tensor

from detectors.taught.lesson import Lesson

SOURCES, COLUMNS = 3, 4
TELLING = 2
"""The only column whose surprise tells."""


def surprises(rows: int, seed: int, *, strange: bool) -> Tensor:
    generator = np.random.default_rng(seed)
    made = generator.exponential(1.0, (SOURCES, COLUMNS, rows))
    if strange:
        made[:, TELLING] += generator.exponential(4.0, rows)
    return torch.from_numpy(made.astype(np.float32))


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return Lesson.fit(surprises(2_000, 0, strange=False), surprises(200, 1, strange=True), np.full(200, 1 / 200))


def test_the_column_that_tells_weighs_most(lesson: Lesson) -> None:
    weights = lesson.weights_KF.sum(axis=0)
    assert weights.argmax() == TELLING
    assert (lesson.weights_KF >= 0.0).all()


def test_more_surprise_is_never_less_strange(lesson: Lesson) -> None:
    rows = surprises(300, 2, strange=False)
    for source in range(SOURCES):
        for column in range(COLUMNS):
            more = rows.clone()
            more[source, column] += 1.5
            assert (lesson.nats(more) >= lesson.nats(rows) - 1e-6).all()


def test_columns_add_up_to_the_sum(lesson: Lesson) -> None:
    rows = surprises(300, 3, strange=True)
    np.testing.assert_allclose(lesson.by_column(rows).sum(axis=0), lesson.total(rows), rtol=1e-4, atol=1e-5)


def test_anomalies_are_told_from_rows_never_seen(lesson: Lesson) -> None:
    usual, strange = (lesson.nats(surprises(500, 4 + s, strange=bool(s))) for s in (0, 1))
    assert np.median(strange) > np.quantile(usual, 0.9)


def test_examples_count_by_their_weight() -> None:
    """Twice the examples at half the weight teach the same."""
    usual, strange = surprises(500, 6, strange=False), surprises(50, 7, strange=True)
    once = Lesson.fit(usual, strange, np.full(50, 1 / 50))
    twice = Lesson.fit(usual, torch.cat([strange, strange], dim=2), np.full(100, 1 / 100))
    np.testing.assert_allclose(once.total(usual), twice.total(usual), rtol=0.05, atol=0.02)
