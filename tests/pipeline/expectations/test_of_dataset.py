"""A dataset is given the room that few keys leave, and not asked about what was made up on purpose."""

import numpy as np
import pytest

from pipeline.expectations.of_dataset import dataset_suite, moved_by_chance
from tests.pipeline.expectations.making import orders_suite


@pytest.mark.parametrize("draws", [20, 200, 2_000])
def test_shares_of_so_many_draws_move_no_further_but_for_the_chance_stated(draws: int) -> None:
    known = {"a": 0.6, "b": 0.25, "c": 0.1, "d": 0.05}
    shares = np.array(list(known.values()))
    drawn = np.random.default_rng(0).multinomial(draws, shares, size=4_000) / draws
    moved = 0.5 * np.abs(drawn - shares).sum(axis=1)
    assert (moved > moved_by_chance(known, draws, 0.01)).mean() <= 0.01
    assert moved.mean() > 0.1 * moved_by_chance(known, draws, 0.01)  # not so wide that it says nothing


def test_fewer_keys_have_wider_bounds_and_replaced_columns_keep_only_what_still_holds() -> None:
    suite = orders_suite()
    names = list(suite.columns)
    levels = {
        keys: [c.levels.moved for c in dataset_suite(suite, columns=names, keys=keys).columns.values() if c.levels]
        for keys in (None, 1_000, 50)
    }
    assert all(
        none < many < few  # type: ignore[operator]
        for none, many, few in zip(levels[None], levels[1_000], levels[50], strict=True)
    )
    replaced = dataset_suite(suite, columns=names, replaced=["country"]).columns["country"]
    assert replaced.levels is None
    assert replaced.missing == suite.columns["country"].missing
