"""Time between events and time of day, as columns that a row model can learn, and back.

A short gap is learned as itself, on a logarithmic scale. A long one is learned as the weeks that pass, the weekday and
the second of
the day on which the next event falls: so daily and weekly rhythms are columns, not sums of drawn figures.

Shape legend: N events.
"""

from dataclasses import dataclass

import numpy as np

from synth.streams.histories import BoolArray, FloatArray, Int64Array

DAY_US = 86_400_000_000
SHORT_US = DAY_US // 4
"""Gaps up to six hours are short: within them the hour of the event before says enough about the rhythm."""
TICKS_US = (DAY_US, DAY_US // 24, 60_000_000, 1_000_000, 1_000)
THURSDAY = 3
"""The weekday, counted from Monday, of 1 January 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How each event follows the one before; NaN where a part does not apply."""

    weekday_N: FloatArray
    """The weekday it falls on, 0 is Monday (UTC), for long gaps."""
    weeks_N: FloatArray
    """How often that weekday is passed by before, for long gaps."""
    second_N: FloatArray
    """The second of the day it falls on, for long gaps."""
    gap_N: FloatArray
    """log(1 + ticks), for short gaps."""


def tick_of(time_us_N: Int64Array) -> int:
    """The coarsest usual unit (day to microsecond) that all moments are whole multiples of, in microseconds."""
    return next((tick for tick in TICKS_US if not np.any(time_us_N % tick)), 1)


def steps_of(before_us_N: Int64Array, time_us_N: Int64Array, *, tick_us: int) -> Steps:
    """The steps from each moment to the next, which is never earlier."""
    gap_us_N = time_us_N - before_us_N
    short_N = gap_us_N <= SHORT_US
    days_N = time_us_N // DAY_US - before_us_N // DAY_US
    return Steps(
        weekday_N=np.where(short_N, np.nan, weekday(time_us_N)),
        weeks_N=np.where(short_N, np.nan, days_N // 7),
        second_N=np.where(short_N, np.nan, second_of_day(time_us_N)),
        gap_N=np.where(short_N, log_ticks(gap_us_N, tick_us), np.nan),
    )


def moments_of(before_us_N: Int64Array, steps: Steps, *, tick_us: int) -> tuple[Int64Array, BoolArray]:
    """The moments that steps lead to, in whole ticks, and where they are of use: the rest say nothing or lead back."""
    gap_us_N = np.round(np.expm1(np.nan_to_num(steps.gap_N))) * tick_us
    ahead_N = np.mod(np.nan_to_num(steps.weekday_N).round() - weekday(before_us_N), 7)
    midnight_N = (before_us_N // DAY_US + ahead_N + 7 * np.nan_to_num(steps.weeks_N).round()) * DAY_US
    long_N = midnight_N + np.nan_to_num(steps.second_N) * 1e6
    is_long_N = np.isfinite(steps.weekday_N) & np.isfinite(steps.weeks_N) & np.isfinite(steps.second_N)
    time_us_N = whole_ticks(np.where(is_long_N, long_N, before_us_N + gap_us_N), tick_us)
    useful_N = (is_long_N | np.isfinite(steps.gap_N)) & (time_us_N >= before_us_N)
    return time_us_N, useful_N


def whole_ticks(time_us_N: FloatArray | Int64Array, tick_us: int) -> Int64Array:
    """Moments at the nearest tick."""
    return np.round(np.asarray(time_us_N, dtype=np.float64) / tick_us).astype(np.int64) * tick_us


def log_ticks(gap_us_N: Int64Array | FloatArray, tick_us: int) -> FloatArray:
    """log(1 + ticks), to six digits so that equal gaps stay equal."""
    logs_N: FloatArray = np.log1p(np.asarray(gap_us_N, dtype=np.float64) / tick_us)
    return np.round(logs_N, 6)


def second_of_day(time_us_N: Int64Array) -> FloatArray:
    """Seconds since midnight UTC."""
    return (time_us_N % DAY_US) / 1e6


def weekday(time_us_N: Int64Array) -> Int64Array:
    """0 is Monday."""
    return (time_us_N // DAY_US + THURSDAY) % 7


def week(time_us_N: Int64Array) -> Int64Array:
    """Weeks, from Monday on, since the one of 1 January 1970."""
    return (time_us_N // DAY_US + THURSDAY) // 7


def moment_of_week(week_N: FloatArray | Int64Array, weekday_N: FloatArray, second_N: FloatArray) -> FloatArray:
    """Microseconds since 1970 of a second of the day of a weekday of a week."""
    return (week_N * 7 + weekday_N - THURSDAY) * DAY_US + second_N * 1e6


def hour_of_week(time_us_N: Int64Array) -> Int64Array:
    """0 to 167, from Monday's midnight UTC."""
    return weekday(time_us_N) * 24 + time_us_N % DAY_US // (DAY_US // 24)
