"""Verdicts on one event in a hundred pay on events that nobody judged, of keys that nobody judged."""

import numpy as np
import pyarrow as pa
import pytest

from detectors.ecod import EcodDetector
from detectors.evaluation import average_precision
from detectors.feedback import RowLabels, fit_with_labels
from pipeline.demo.payments import SimulationConfig, simulate

SHARE = 0.01


@pytest.fixture(scope="module")
def payments() -> pa.Table:
    return simulate(SimulationConfig(days=10, customers=1_200))


@pytest.mark.parametrize(("way", "least_gain"), [("highest", 0.03), ("random", 0.0)])
def test_one_judged_payment_in_a_hundred_raises_average_precision_on_other_customers(
    payments: pa.Table, way: str, least_gain: float
) -> None:
    older, newer = payments.slice(0, payments.num_rows // 2), payments.slice(payments.num_rows // 2)
    fraud = np.asarray(older["label"].to_numpy())
    plain = EcodDetector(seed=0)
    plain.fit(older)
    judged = np.random.default_rng(0).random(older.num_rows) < SHARE
    if way == "highest":
        scores = plain.score(older.combine_chunks().to_batches()[0])
        judged = scores >= np.quantile(scores, 1.0 - SHARE)
    taught, _ = fit_with_labels(EcodDetector(seed=0), older, RowLabels(judged & fraud, judged & ~fraud))

    known = set(older["customer"].filter(pa.array(judged)).unique().to_pylist())
    others = newer.filter(pa.array([customer not in known for customer in newer["customer"].to_pylist()]))
    batch, truth = others.combine_chunks().to_batches()[0], np.asarray(others["label"].to_numpy())
    before, after = average_precision(plain.score(batch), truth), average_precision(taught.score(batch), truth)
    assert after > before + least_gain, (before, after)
