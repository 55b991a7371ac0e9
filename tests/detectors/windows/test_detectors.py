"""What an operator of telemetry loses if the window detectors break: real trouble found, named and dated."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from detectors.base import Reason
from detectors.columns import Kind, Role, make_field
from detectors.errors import UnusableDataError
from detectors.evaluation import auroc
from detectors.windows.enrichment import WindowEnrichment
from detectors.windows.frame import WindowCodec, rhythm
from detectors.windows.settings import WindowSettings
from detectors.windows.views import drift_filters
from detectors.windows.window_vae import Config, WindowVaeDetector

STEPS, HOSTS, LENGTH = 700, 3, 64
STEP_SECONDS = 300.0
START = datetime(2026, 1, 5, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        make_field("host", Kind.CATEGORICAL, [Role.KEY]),
        make_field("time", Kind.TIME, [Role.TIME]),
        make_field("load", Kind.NUMERIC, [Role.FEATURE]),
        make_field("heat", Kind.NUMERIC, [Role.FEATURE]),
    ]
)
Values = npt.NDArray[np.float64]


def series(seed: int, scale: float) -> Values:
    """(STEPS, 2): heat follows load with a delay."""
    g = np.random.default_rng(seed)
    load = 10.0 + 3.0 * np.sin(np.arange(STEPS) * 2 * np.pi / 48) + g.normal(0, 0.2, STEPS)
    heat = 30.0 + 2.0 * np.roll(load, 2) + g.normal(0, 0.2, STEPS)
    return scale * np.stack([load, heat], axis=1)


def rows(values_by_host: dict[str, Values], *, start: int = 0) -> pa.RecordBatch:
    hosts, times, load, heat = [], [], [], []
    for step in range(len(next(iter(values_by_host.values())))):
        for host, values in values_by_host.items():
            hosts.append(host)
            times.append(START + timedelta(seconds=(start + step) * STEP_SECONDS))
            load.append(None if np.isnan(values[step, 0]) else float(values[step, 0]))
            heat.append(None if np.isnan(values[step, 1]) else float(values[step, 1]))
    columns = [pa.array(c, type=f.type) for c, f in zip((hosts, times, load, heat), SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def enriched(enrichment: WindowEnrichment, batch: pa.RecordBatch) -> pa.RecordBatch:
    return enrichment.advance(batch, batch["time"].view(pa.int64()).to_numpy() // 1_000)


def new_enrichment() -> WindowEnrichment:
    metrics = ("load", "heat")
    return WindowEnrichment(
        WindowSettings(key=("host",), length=LENGTH, step_seconds=STEP_SECONDS, metrics=metrics), SCHEMA
    )


@lru_cache(maxsize=1)
def fitted() -> WindowVaeDetector:
    """Trained on three hosts of very different scale."""
    past = {f"host-{n}": series(n, 10.0**n) for n in range(HOSTS)}
    detector = WindowVaeDetector(seed=0, config=Config(steps=40))
    detector.fit(pa.Table.from_batches([enriched(new_enrichment(), rows(past))]))
    return detector


def after(changed: Values, host: str = "host-1") -> pa.RecordBatch:
    """A host's later rows with their windows."""
    return enriched(new_enrichment(), rows({host: changed}, start=STEPS))


def reason_at(batch: pa.RecordBatch, row: int) -> Reason:
    return fitted().explain(batch.slice(row, 1))[0][0]


def test_a_broken_relation_is_found_though_each_metric_keeps_its_range() -> None:
    values = series(50, 10.0)
    values[400:440, 1] = np.roll(values[:, 1], 24)[400:440]
    labels = np.zeros(STEPS, dtype=bool)
    labels[402:440] = True
    scores = fitted().score(after(values))
    assert auroc(scores[LENGTH:], labels[LENGTH:]) > 0.95
    assert reason_at(after(values), 425).column == "heat"


def test_a_stuck_sensor_is_named_dated_and_given_its_expected_value() -> None:
    values = series(51, 10.0)
    usual = values[:, 0].copy()
    values[420:450, 0] = values[419, 0]
    reason = reason_at(after(values), 440)
    begun = START + timedelta(seconds=(STEPS + 419) * STEP_SECONDS)
    assert reason.column == "load"
    assert reason.note.startswith("flat, for 22 steps, since ")
    assert f"{begun:%H:%M}" in reason.note
    assert reason.low is not None
    assert reason.high is not None
    assert reason.low <= reason.high
    assert abs(float(reason.actual or 0.0) - values[440, 0]) < 0.1
    assert usual.min() - 30 < float(reason.expected or 0.0) < usual.max() + 30


def test_a_level_shift_says_which_way() -> None:
    values = series(52, 10.0)
    values[500:, 1] += 300.0
    reason = reason_at(after(values), 520)
    assert reason.column == "heat"
    assert "up" in reason.note or "spiked" in reason.note


def test_an_outage_of_a_metric_scores_and_says_since_when() -> None:
    values = series(53, 10.0)
    values[600:, 0] = np.nan
    batch = after(values)
    scores = fitted().score(batch)
    assert scores[600:605].mean() > np.median(scores[LENGTH:600]) + 3.0
    reason = next(r for r in fitted().explain(batch.slice(605, 1))[0] if r.column == "load")
    assert reason.actual is None
    assert reason.note.startswith("missing, for 6 steps, since ")


def test_scale_is_each_keys_own() -> None:
    """What is usual for a host of a hundred times the load is an alarm on another."""
    quiet = fitted().score(after(series(54, 100.0), "host-2"))[LENGTH:]
    loud = fitted().score(after(series(54, 100.0), "host-0"))[LENGTH:]
    assert np.median(loud) > np.median(quiet) + 20.0


def test_a_new_key_is_scored_by_its_own_window() -> None:
    known = fitted().score(after(series(55, 10.0)))[LENGTH:]
    new = fitted().score(after(series(55, 12_345.0), "host-new"))[LENGTH:]
    assert np.median(new) < np.median(known) + 20.0
    values = series(55, 12_345.0)
    values[500:530, 1] *= 1.5
    shifted = fitted().score(after(values, "host-new"))
    assert shifted[505:530].min() > np.quantile(new, 0.99)


def test_what_is_filled_in_carries_no_score() -> None:
    """A young key's first rows, nearly all missing, are no alarm."""
    scores = fitted().score(after(series(56, 10.0)))
    assert np.median(scores[:LENGTH]) < np.quantile(scores[LENGTH:], 0.99)


def test_rhythm_comes_from_the_clock_and_is_absent_without_one() -> None:
    table = pa.Table.from_batches([enriched(new_enrichment(), rows({"a": series(0, 1.0)}))])
    codec = WindowCodec.fit(table)
    waves = rhythm(codec.moments(table))
    np.testing.assert_allclose(waves[288, :2], waves[0, :2], atol=1e-5)
    assert np.abs(waves[288, 2:] - waves[0, 2:]).max() > 0.1
    assert not rhythm(codec.moments(table.drop_columns(["time"]))).any()


def test_drift_filters_ignore_level() -> None:
    """A constant window, at whatever level, has neither shift nor bend."""
    filters = drift_filters(LENGTH)
    np.testing.assert_allclose(filters @ np.full(LENGTH, 7.0, dtype=np.float32), 0.0, atol=1e-4)


def test_a_stream_without_windows_is_refused_with_the_fix() -> None:
    with pytest.raises(UnusableDataError, match="windows"):
        WindowVaeDetector().fit(pa.Table.from_batches([rows({"a": series(0, 1.0)})]))
