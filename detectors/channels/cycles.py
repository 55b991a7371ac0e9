"""Moments, seen as their daily and weekly cycles (UTC): an hour of the day and a day of the week to predict.

A cycle is used only where training covers it twice over: from one day's events, every hour of the next weekday
would look new. A column whose span covers neither has no parts and adds nothing to a score. Fails to see:
calendars (holidays, month ends), local time zones, anything slower than a week.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.channels.base import Channel, CodeArray, FloatArray, Outlook, Part, Rows, Value

HOUR_US = 3_600_000_000
HOURS_DAY, DAYS_WEEK, HOURS_WEEK = 24, 7, 168
EPOCH_HOUR_OF_WEEK = 72
"""1970-01-01 was a Thursday; weeks start on Monday."""
LEAST_CYCLES = 2.0
DAY_NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOUR_OF_DAY = np.append(np.arange(HOURS_WEEK) % HOURS_DAY, HOURS_DAY).astype(np.int16)
"""The hour of the day of each hour of the week; its last entry is missing, as everywhere."""
DAY_OF_WEEK = (np.arange(HOURS_WEEK + 1) // HOURS_DAY).astype(np.int16)
MOMENT = pa.timestamp("us", tz="UTC")


class CycleChannel(Channel):
    """A timestamp[us, UTC] column."""

    way = "cycles"

    def __init__(self, column: str, *, daily: Sequence[float], weekly: Sequence[float]) -> None:
        self.column = column
        self.daily, self.weekly = list(daily), list(weekly)
        """Training rows of each hour of the day and day of the week, missing last; empty where not used."""
        self.parts = tuple(_part(counts) for counts in (self.daily, self.weekly) if counts)
        phase = np.arange(HOURS_WEEK) + 0.5
        turns = [phase / HOURS_DAY] * bool(self.daily) + [phase / HOURS_WEEK] * bool(self.weekly)
        waves = [wave(2 * np.pi * turn) for turn in turns for wave in (np.sin, np.cos)]
        self._waves = [np.append(wave, 0.0).astype(np.float32) for wave in waves]
        self.input_count = len(waves)

    @property
    def arrow_type(self) -> pa.DataType:
        """timestamp[us, UTC]."""
        return MOMENT

    @classmethod
    def fit(cls, column: str, values: pa.Array) -> "CycleChannel":
        """Count hours and weekdays, of the cycles that the training span covers at least twice."""
        hours_B = _hours_of_week(values)
        span = pc.min_max(pc.cast(pc.cast(values, MOMENT), pa.int64())).as_py()
        days = 0.0 if span["min"] is None else (span["max"] - span["min"]) / HOUR_US / HOURS_DAY
        daily = np.bincount(HOUR_OF_DAY[hours_B], minlength=HOURS_DAY + 1) * (days >= LEAST_CYCLES)
        weekly = np.bincount(DAY_OF_WEEK[hours_B], minlength=DAYS_WEEK + 1) * (days >= LEAST_CYCLES * 7)
        return cls(column, daily=daily.tolist() if daily.any() else [], weekly=weekly.tolist() if weekly.any() else [])

    def write(self, values: pa.Array | None, rows: Rows) -> None:
        """Sine and cosine of each cycle at the middle of the hour; hour and weekday as codes."""
        if not self.parts:
            return
        hours_B = (
            np.full(rows.codes_PB.shape[1], HOURS_WEEK, dtype=np.int16) if values is None else _hours_of_week(values)
        )
        for i, wave in enumerate(self._waves):
            np.take(wave, hours_B, out=rows.inputs_IB[i], mode="clip")
        if self.daily:
            rows.codes_PB[0] = HOUR_OF_DAY[hours_B]
        if self.weekly:
            rows.codes_PB[-1] = DAY_OF_WEEK[hours_B]
        rows.classes_PB[:] = rows.codes_PB

    def read(self, rows: Rows) -> pa.Array:
        """Moments of the week of Monday 1970-01-05, to the hour; null without both cycles."""
        B = rows.codes_PB.shape[1]
        if not (self.daily and self.weekly):
            return pa.nulls(B, MOMENT)
        hours = (4 + rows.codes_PB[1].astype(np.int64)) * HOURS_DAY + rows.codes_PB[0]
        return pa.array(hours * HOUR_US, mask=rows.codes_PB[1] == DAYS_WEEK).cast(MOMENT)

    def outlook(self, chances: Sequence[FloatArray]) -> Outlook:
        """The likeliest weekday and hour, as text such as "Tue 14:00"."""
        words: list[str] = []
        if self.weekly:
            words.append(DAY_NAMES[int(np.argmax(chances[-1][:DAYS_WEEK]))])
        if self.daily:
            words.append(f"{int(np.argmax(chances[0][:HOURS_DAY])):02d}:00")
        return Outlook(expected=" ".join(words) or None)

    def note(self, value: Any) -> str:
        """ "missing", or the weekday and hour that the moment falls on."""
        if value is None:
            return "missing"
        hour = int(_hours_of_week(pa.array([value], type=MOMENT))[0])
        return f"falls on {DAY_NAMES[hour // HOURS_DAY]} {hour % HOURS_DAY:02d}:00 UTC"

    def shown(self, value: Any) -> Value:
        """ISO 8601."""
        return None if value is None else str(value.isoformat())

    def document(self) -> dict[str, Any]:
        """Everything the channel is, as JSON."""
        return {"daily": self.daily, "weekly": self.weekly}


def _part(counts: Sequence[float]) -> Part:
    counts_K = np.asarray(counts, dtype=np.float64)
    return Part(counts_K=counts_K, pseudo_K=np.ones_like(counts_K), embedded=False)


def _hours_of_week(values: pa.Array) -> CodeArray:
    """Hours since Monday 00:00 UTC, 0 to 167; 168 where missing.

    In floating point, several times faster than integer division and exact here: a quotient of two integers below
    2⁵³ is rounded correctly, so whole hours stay whole.
    """
    if values.type != MOMENT:
        values = pc.cast(values, MOMENT, safe=False)
    micros_B = pc.fill_null(pc.cast(values, pa.int64()), 0).to_numpy(zero_copy_only=False)
    hours_B = np.floor(np.divide(micros_B, HOUR_US)) + EPOCH_HOUR_OF_WEEK
    hours_B -= HOURS_WEEK * np.floor(hours_B / HOURS_WEEK)
    if values.null_count:
        hours_B[pc.is_null(values).to_numpy(zero_copy_only=False)] = HOURS_WEEK
    result: CodeArray = hours_B.astype(np.int16)
    return result
