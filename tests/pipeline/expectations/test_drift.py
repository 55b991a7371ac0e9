"""Drift beyond its own noise is said, clean windows are left alone, and what few keys do is not called drift."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from pipeline.expectations.drift import check_drift
from pipeline.expectations.drift.rows import DriftRows

DAY_MS = 86_400_000
KEYS = 120
FIELDS = [make_field("amount", Kind.NUMERIC, [Role.FEATURE]), make_field("shop", Kind.CATEGORICAL, [Role.FEATURE])]


def stream(first: int, days: int, *, seed: int, factor: float = 1.0, rows_a_day: int = 800) -> DriftRows:
    """Keys with habits of their own, more of some on some days: rows are not independent."""
    habits = np.random.default_rng(7)
    level, home = habits.normal(3.0, 0.6, KEYS), habits.integers(0, 6, KEYS)
    rng = np.random.default_rng(seed)
    rows = days * rows_a_day
    day = np.repeat(np.arange(days), rows_a_day)
    busy = rng.gamma(2.0, 1.0, (days, KEYS))
    key = np.concatenate([rng.choice(KEYS, rows_a_day, p=b / b.sum()) for b in busy])
    amount = np.exp(level[key] + rng.normal(0.0, 0.4, rows)) * factor
    shop = np.where(rng.random(rows) < 0.7, home[key], rng.integers(0, 6, rows))
    made = [pa.array(amount), pa.array([f"shop {n}" for n in shop])]
    times = (first + day) * DAY_MS + np.sort(rng.integers(0, DAY_MS, (days, rows_a_day)), axis=1).ravel()
    return DriftRows(
        table=pa.table(made, schema=pa.schema(FIELDS)),
        times_ms=times,
        keys=key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15),
        scores=np.log(amount),
        start_ms=first * DAY_MS,
        end_ms=(first + days) * DAY_MS,
        rows=rows,
    )


@pytest.fixture(scope="module")
def reference() -> DriftRows:
    return stream(0, 14, seed=1)


def test_clean_days_are_not_called_drift(reference: DriftRows) -> None:
    said = [check_drift(reference, stream(14 + n, 1, seed=10 + n), model_id="m") for n in range(3)]
    assert [drift.reason for drift in said if drift.drifted] == []


def test_a_shift_of_all_keys_is_drift_with_the_column_named(reference: DriftRows) -> None:
    drift = check_drift(reference, stream(14, 1, seed=20, factor=1.8), model_id="m")
    assert drift.drifted
    assert drift.reason.startswith("amount moved (KS ")
    moved = {column.column: column for column in drift.columns}
    assert moved["amount"].drifted
    assert not moved["shop"].drifted
    assert moved["amount"].breadth is not None
    assert moved["amount"].breadth > 0.7
    assert drift.score is not None
    assert drift.score.drifted
    assert drift.two_sample is not None
    assert drift.two_sample.columns[0][0] == "amount"


def test_what_few_keys_do_is_not_called_drift_and_is_said(reference: DriftRows) -> None:
    recent = stream(14, 1, seed=30)
    assert recent.keys is not None
    assert recent.scores is not None
    loud = np.isin(recent.keys, np.unique(recent.keys)[:4])
    at = np.concatenate([np.arange(recent.rows), np.repeat(np.flatnonzero(loud), 20)])
    amount = recent.table["amount"].to_numpy()[at] * np.where(np.arange(len(at)) < recent.rows, 1.0, 30.0)
    table = recent.table.take(pa.array(at)).set_column(0, FIELDS[0], pa.array(amount))
    attack = replace(
        recent, table=table, times_ms=recent.times_ms[at], keys=recent.keys[at], scores=np.log(amount), rows=len(at)
    )
    drift = check_drift(reference, attack, model_id="m")
    assert not drift.drifted, drift.reason
    assert drift.columns[0].note == "moved by few keys: not called drift"
    assert "amount" in drift.breadth


def test_a_column_that_lost_its_values_is_drift(reference: DriftRows) -> None:
    recent = stream(14, 1, seed=40)
    gone = np.random.default_rng(0).random(recent.rows) < 0.3
    table = recent.table.set_column(0, FIELDS[0], pa.array(recent.table["amount"].to_numpy(), mask=gone))
    drift = check_drift(reference, replace(recent, table=table), model_id="m")
    assert drift.drifted
    assert "amount moved (" in drift.reason
    assert "missing 0." in drift.reason


def test_too_few_rows_say_nothing(reference: DriftRows) -> None:
    recent = stream(14, 1, seed=50, rows_a_day=0)
    drift = check_drift(reference, recent, model_id="m")
    assert not drift.drifted
    assert "too few" in drift.reason
