"""Times as they are written on the wire → timestamp[us, UTC], a column at a time, each row on its own merits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import TimeUnit

Mask = npt.NDArray[np.bool_]
TIME_TYPE = pa.timestamp("us", tz="UTC")
FIRST_US = -8_520_336_000_000_000
"""1700-01-01."""
LAST_US = 7_289_654_400_000_000
"""2201-01-01, not included. Within this span every unit down to nanoseconds fits 64 bits."""

_UNITS_PER_US = {TimeUnit.SECONDS: 1_000_000.0, TimeUnit.MILLISECONDS: 1_000.0}
_DATE = r"^\d{4}-\d\d-\d\d"
"""How every text that a cast reads begins; what does not is not tried row by row."""
_LADDER = (pa.timestamp("us", tz="UTC"), pa.timestamp("us"), pa.timestamp("ns", tz="UTC"), pa.timestamp("ns"))
"""Tried in this order; a text parses under at most one zone-ness, so the order decides nothing but speed."""


@dataclass(frozen=True, slots=True)
class Times:
    """A column of times. N rows; rows that are bad are null in `values`."""

    values: pa.Array
    unreadable: Mask | None = None
    """Shape (N,): not a time at all; None where there is none such."""
    outside: Mask | None = None
    """Shape (N,): a time before 1700 or after 2200; None where there is none such."""


def from_text(texts: pa.Array) -> Times:
    """ISO 8601 with a space or T; without a zone it is UTC; digits beyond microseconds are cut off."""
    parsed = _whole(texts)
    if parsed is not None:
        return _within_span(parsed, None)
    hopeful = pc.if_else(pc.match_substring_regex(texts, _DATE), texts, pa.scalar(None, pa.string()))
    parsed = pa.concat_arrays(_parse(hopeful))
    unreadable: Mask = pc.and_(texts.is_valid(), parsed.is_null()).to_numpy(zero_copy_only=False)
    return _within_span(parsed, unreadable)


def from_number(numbers: pa.Array, unit: TimeUnit) -> Times:
    """Time since the epoch; fractions of seconds and milliseconds are kept to the microsecond."""
    if unit is TimeUnit.MICROSECONDS:
        return _within_span(numbers.cast(pa.int64()).cast(TIME_TYPE), None)
    scaled = pc.round(pc.multiply(numbers, _UNITS_PER_US[unit]))
    outside = _outside(scaled)
    if outside is not None:
        scaled = pc.if_else(pa.array(outside), pa.scalar(None, pa.float64()), scaled)
    return Times(scaled.cast(pa.int64()).cast(TIME_TYPE), None, outside)


def _within_span(times: pa.Array, unreadable: Mask | None) -> Times:
    outside = _outside(times.view(pa.int64()))
    if outside is not None:
        times = pc.if_else(pa.array(outside), pa.scalar(None, TIME_TYPE), times)
    return Times(times, unreadable, outside)


def _outside(micros: pa.Array) -> Mask | None:
    """Which numbers of microseconds lie outside the span; nulls lie nowhere."""
    ends = pc.min_max(micros)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is None or FIRST_US <= low <= high < LAST_US:
        return None
    mask = pc.or_(pc.less(micros, FIRST_US), pc.greater_equal(micros, LAST_US))
    known: Mask = pc.and_kleene(mask, mask.is_valid()).to_numpy(zero_copy_only=False)
    return known


def _whole(texts: pa.Array) -> pa.Array | None:
    """All rows by the first cast that reads them all; None where there is none."""
    for target in _LADDER:
        try:
            return _to_utc_us(texts.cast(target))
        except pa.ArrowInvalid:
            continue
    return None


def _parse(texts: pa.Array) -> list[pa.Array]:
    """Whole where all rows are written alike, else by halves; a lone row that no cast reads becomes null."""
    whole = _whole(texts)
    if whole is not None:
        return [whole]
    if len(texts) == 1:
        return [pa.nulls(1, TIME_TYPE)]
    middle = len(texts) // 2
    return [*_parse(texts.slice(0, middle)), *_parse(texts.slice(middle))]


def _to_utc_us(times: pa.Array) -> pa.Array:
    if times.type.unit == "ns":
        times = pc.floor_temporal(times, unit="microsecond").cast(pa.timestamp("us", tz=times.type.tz), safe=False)
    return times.cast(TIME_TYPE) if times.type.tz is None else times
