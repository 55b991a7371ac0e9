"""What an operator loses if the clock goes unheeded: a job at the wrong hour looks like the job at the right one."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from detectors.columns import Kind, Role, make_field
from detectors.windows.clock import ClockProfiles
from detectors.windows.enrichment import WindowEnrichment
from detectors.windows.frame import Frame, WindowCodec
from detectors.windows.settings import WindowSettings
from detectors.windows.window_vae import Config, WindowVaeDetector

LENGTH, HOUR_STEPS, DAY_STEPS, STEP_MS = 32, 4, 96, 900_000
MONDAY_MS = 1_767_571_200_000
SCHEMA = pa.schema(
    [
        make_field("host", Kind.CATEGORICAL, [Role.KEY]),
        make_field("time", Kind.TIME, [Role.TIME]),
        make_field("load", Kind.NUMERIC, [Role.FEATURE]),
    ]
)
Values = npt.NDArray[np.float64]


def series(days: int, seed: int, *, job_days: int = 7, odd_day: int | None = None, drift: float = 0.0) -> Values:
    """A job from three to four on the first `job_days` days of each week; on `odd_day` another at fifteen."""
    step = np.arange(days * DAY_STEPS)
    hour, day = step // HOUR_STEPS % 24, step // DAY_STEPS
    job = (hour == 3) & (day % 7 < job_days) | (hour == 15) & (day == (-1 if odd_day is None else odd_day))
    noise = np.random.default_rng(seed).normal(0.0, 0.3, len(step))
    found: Values = 10.0 + 4.0 * job + noise + drift * step / DAY_STEPS
    return found


def table_of(values: Values, *, start_day: int = 0) -> pa.Table:
    """One host's rows with their windows, beginning on a Monday."""
    times = MONDAY_MS + (start_day * DAY_STEPS + np.arange(len(values))) * STEP_MS
    moments = pa.array(times).cast(pa.timestamp("ms", tz="UTC")).cast(SCHEMA.field("time").type)
    batch = pa.RecordBatch.from_arrays([pa.array(["a"] * len(values)), moments, pa.array(values)], schema=SCHEMA)
    settings = WindowSettings(key=("host",), length=LENGTH, metrics=("load",))
    return pa.Table.from_batches([WindowEnrichment(settings, SCHEMA).advance(batch, times)])


def frame_of(past: pa.Table, rows: pa.Table) -> Frame:
    return WindowCodec.fit(past).frame(rows)


@lru_cache(maxsize=1)
def fitted() -> WindowVaeDetector:
    detector = WindowVaeDetector(seed=0, config=Config(steps=40))
    detector.fit(table_of(series(21, 0)))
    return detector


def test_a_job_at_the_wrong_hour_scores_above_all_that_is_usual() -> None:
    later = table_of(series(7, 1, odd_day=4), start_day=21)
    at = 4 * DAY_STEPS + 15 * HOUR_STEPS
    rows, usual = slice(at + 1, at + HOUR_STEPS), np.arange(LENGTH, at)
    [with_time] = later.combine_chunks().to_batches()
    scores = fitted().score(with_time)
    assert scores[rows].min() > np.quantile(scores[usual], 0.99)
    without = fitted().score(with_time.drop_columns(["time"]))
    assert without[rows].min() < np.quantile(without[usual], 0.99)


def test_a_job_that_does_not_come_is_seen_too() -> None:
    past, values = table_of(series(21, 0)), series(3, 2)
    at = DAY_STEPS + 3 * HOUR_STEPS
    values[at : at + HOUR_STEPS] = 10.0
    frame = frame_of(past, table_of(values, start_day=21))
    profiles = ClockProfiles.fit(frame_of(past, past), 1)
    off = profiles.statistics(frame)[:, 0]
    assert off[at : at + HOUR_STEPS].min() > 0.0
    assert np.mean(off[LENGTH:at] > 0.0) < 0.1


@pytest.mark.parametrize(("job_days", "weekly"), [(7, False), (4, True)])
def test_the_week_is_heeded_where_days_differ(job_days: int, weekly: bool) -> None:
    past = table_of(series(42, 0, job_days=job_days))
    assert ClockProfiles.fit(frame_of(past, past), 1).weekly_P.tolist() == [weekly]


def test_what_has_no_rhythm_has_no_profile_and_no_statistic() -> None:
    past = table_of(np.random.default_rng(0).normal(size=21 * DAY_STEPS))
    frame = frame_of(past, past)
    profiles = ClockProfiles.fit(frame, 1)
    assert (profiles.place_K == -1).all()
    assert not profiles.statistics(frame).any()


def test_a_level_that_moves_leaves_the_profile_where_it_is() -> None:
    past = table_of(series(21, 0))
    profiles = ClockProfiles.fit(frame_of(past, past), 1)
    level, moved = (
        np.mean(profiles.statistics(frame_of(past, table_of(series(7, 3, drift=drift), start_day=21)))[LENGTH:] > 0.0)
        for drift in (0.0, 0.2)
    )
    assert moved < level + 0.02
