"""Bounds hold what they were made of, grow with what is asked of them, and keep their promise on clean figures."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.expectations.tolerance import Scale, bounds, hourly_bounds, least_by_chance, most_by_chance

SHARES = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=30)


@settings(max_examples=30, derandomize=True)
@given(SHARES, st.sampled_from(list(Scale)))
def test_the_reference_fits_its_own_bounds_and_a_smaller_chance_widens_them(values: list[float], scale: Scale) -> None:
    known = np.array(values) + (0.01 if scale is Scale.POSITIVE else 0.0)
    one, other = (bounds(known, scale=scale, chance=chance) for chance in (1e-2, 1e-5))
    assert one.least <= known.min() + 1e-9
    assert one.most >= known.max() - 1e-9
    assert other.least <= one.least + 1e-9
    assert other.most >= one.most - 1e-9


def test_clean_figures_leave_their_bounds_as_rarely_as_promised() -> None:
    rng = np.random.default_rng(0)
    left = 0
    for _ in range(2_000):
        values = rng.binomial(5_000, 0.03, size=15) / 5_000
        found = bounds(values[:14], scale=Scale.SHARE, chance=0.01, rows=np.full(14, 5_000.0))
        left += not found.least <= values[14] <= found.most
    assert left / 2_000 <= 0.01


@pytest.mark.parametrize("rows", [20, 1_000, 1_000_000])
def test_fewer_rows_may_show_more_by_chance(rows: int) -> None:
    assert most_by_chance(0.1, rows, 1e-4) >= most_by_chance(0.1, 10 * rows, 1e-4) >= 0.1
    assert least_by_chance(0.1, rows, 1e-4) <= 0.1
    assert most_by_chance(0.1, 10**8, 1e-4) == pytest.approx(0.1, abs=1e-3)


def test_hours_of_a_clean_day_fit_and_a_doubled_one_does_not() -> None:
    rng = np.random.default_rng(1)
    mean = 400 + 300 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    least, most = hourly_bounds(rng.poisson(mean, (20, 24)).astype(np.float64), chance=1e-4)
    outside = [(day < least) | (day > most) for day in rng.poisson(mean, (500, 24))]
    assert np.mean([day.any() for day in outside]) <= 0.002
    assert ((2 * mean > most) | (mean < 120)).all()
