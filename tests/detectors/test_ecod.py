"""ECOD against its own definition, counted by hand."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.ecod import Config, EcodDetector


def table(**columns: object) -> pa.Table:
    arrays = [pa.array(values) for values in columns.values()]
    kinds = [Kind.CATEGORICAL if pa.types.is_string(a.type) else Kind.NUMERIC for a in arrays]
    fields = [
        make_field(n, k, [Role.FEATURE], arrow_type=a.type) for n, k, a in zip(columns, kinds, arrays, strict=True)
    ]
    return pa.table(arrays, schema=pa.schema(fields))


def batch(made: pa.Table) -> pa.RecordBatch:
    return made.combine_chunks().to_batches()[0]


def test_scores_are_the_papers() -> None:
    g = np.random.default_rng(0)
    x = np.stack([g.exponential(1.0, 300).round(1), -g.exponential(1.0, 300), g.normal(0, 1, 300)], axis=1)
    new = np.vstack([x[:50], [[99.0, 0.0, 0.0], [-99.0, 9.0, 0.0]]])
    detector = EcodDetector()
    detector.fit(table(a=x[:, 0], b=x[:, 1], c=x[:, 2]))
    left = -np.log(((x[None] <= new[:, None]).sum(axis=1) + 1) / 301)
    right = -np.log(((x[None] >= new[:, None]).sum(axis=1) + 1) / 301)
    skew = ((x - x.mean(axis=0)) ** 3).mean(axis=0)
    wanted = np.max([left.sum(axis=1), right.sum(axis=1), np.where(skew < 0, left, right).sum(axis=1)], axis=0)
    scores = detector.score(batch(table(a=new[:, 0], b=new[:, 1], c=new[:, 2])))
    assert scores == pytest.approx(wanted, rel=1e-6)


def test_many_distinct_values_keep_exact_extremes() -> None:
    x = np.random.default_rng(0).normal(0, 1, 50_000)
    detector = EcodDetector()
    detector.fit(table(a=x))
    new = np.concatenate([np.sort(x)[-100:], [9.0, -9.0, 0.0]])
    wanted = -np.log((np.minimum((x >= new[:, None]).sum(axis=1), (x <= new[:, None]).sum(axis=1)) + 1) / 50_001)
    assert detector.score(batch(table(a=new))) == pytest.approx(wanted, abs=2e-3)
    tensors, _ = detector.state()
    assert len(tensors["knots_V"]) < 4_200


def test_names_cost_their_share_and_the_reason_says_so() -> None:
    detector = EcodDetector(config=Config(max_rows=1_000))
    detector.fit(table(amount=np.zeros(1_000), shop=["north"] * 999 + ["south"]))
    row = batch(table(amount=np.zeros(2), shop=["south", "north"]))
    assert detector.score(row) == pytest.approx([np.log(1_000), -np.log(0.999)])
    assert detector.explain(row, top=1)[0][0].column == "shop"
