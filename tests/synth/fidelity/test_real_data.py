"""The published figures of real rows and of independent columns, on real tables."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.fidelity import c2st, column_shapes, pair_trends
from synth.privacy import near_copies

FOLDER = os.environ.get("EDDYLINE_DATA")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="EDDYLINE_DATA names no folder of real data")


@pytest.mark.parametrize(
    ("name", "trend", "floor", "floor_c2st"),
    [("adult_48842", 0.980, 0.921, 0.03), ("bank_marketing", 0.983, 0.951, 0.09)],
)
def test_ceilings_and_floors_are_where_they_were_measured(
    name: str, trend: float, floor: float, floor_c2st: float
) -> None:
    table = pq.read_table(Path(str(FOLDER)) / f"{name}.parquet")
    g = np.random.default_rng(0)
    table = table.take(pa.array(g.permutation(table.num_rows)))
    train, half, test = table.slice(0, 18_000), table.slice(18_000, 18_000), table.slice(36_000)
    apart = pa.table([column.take(pa.array(g.permutation(18_000))) for column in half.columns], schema=half.schema)
    assert np.mean(list(column_shapes(test, half).values())) == pytest.approx(0.992, abs=0.002)
    assert pair_trends(test, half).mean == pytest.approx(trend, abs=0.004)
    assert pair_trends(test, apart).mean == pytest.approx(floor, abs=0.004)
    assert c2st(test, half, seed=0) > 0.95
    assert c2st(test, apart, seed=0) == pytest.approx(floor_c2st, abs=0.03)
    assert near_copies(train, test, half).synthetic == pytest.approx(0.02, abs=0.006)
    assert near_copies(train, test, apart).synthetic < 0.003
