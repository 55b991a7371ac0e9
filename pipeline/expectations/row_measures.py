"""Figures of all rows of a window: how many, when, in which order, how often the same, of how many keys.

Shape legend: N rows.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Role, names_with_role
from detectors.context.hashing import hash_columns
from detectors.errors import UnusableDataError
from pipeline.expectations.asked import Asked, What
from pipeline.expectations.column_measures import LEAST_ROWS
from pipeline.expectations.measured import Measured
from pipeline.expectations.moments import hour_text, moment_text, stretches
from pipeline.expectations.suite import ONE_DAY, Hours
from pipeline.expectations.window import HOUR_MS, Window
from pipeline.kafka.port import Int64Array

BEHIND_MS = 60_000
"""A row further behind the newest before it, in its partition, is out of order."""
BLOCK_MS = 600_000
_FEW_PER_HOUR = 300
"""Of streams with fewer rows whole hours are looked at for stretches sent twice."""
_LEAST_DISTINCT = 10
"""Different rows that a stretch must have: fewer may all stand twice by chance."""
_MONDAY = 96
"""The first hour of a Monday, in hours since the epoch (which was a Thursday)."""
_SHOWN = 3


def measure_rows(window: Window, asked: Asked) -> Measured:
    """The answer to a question about all rows."""
    return _MEASURES[asked.what](window, asked)


def whole_hours(window: Window) -> range:
    """The hours since the epoch that lie within a window as a whole."""
    if window.start_ms is None or window.end_ms is None:
        return range(0)
    return range(-(-window.start_ms // HOUR_MS), window.end_ms // HOUR_MS)


def bounds_of(hours: Hours, hour: int) -> tuple[float, float]:
    """What is expected of one hour since the epoch."""
    place = hour % ONE_DAY if len(hours.least) == ONE_DAY else (hour - _MONDAY) % len(hours.least)
    return hours.least[place], hours.most[place]


def row_hashes(window: Window) -> npt.NDArray[np.uint64]:
    """One hash a row over all columns that can be hashed, (N,)."""
    usable = []
    for name in window.table.column_names:
        column = window.table[name].combine_chunks()
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        try:
            hash_columns([column.slice(0, 1)], min(1, len(column)))
        except UnusableDataError:
            continue
        usable.append(column)
    return hash_columns(usable, window.looked_at)


def _per_hour(window: Window, asked: Asked) -> Measured:
    if window.hours is None:
        return Measured()
    return Measured(value=window.rows / window.hours, rows=window.rows)


def _by_hour(window: Window, asked: Asked) -> Measured:
    hours = whole_hours(window)
    if asked.hours is None or not len(hours):
        return Measured()
    wrong = []
    for hour in hours:
        least, most = bounds_of(asked.hours, hour)
        rows = window.hourly.get(hour, 0)
        if not least <= rows <= most:
            wrong.append((hour, rows, least, most))
    shown = "; ".join(f"{hour_text(h)} has {rows:,}, expected {a:,.0f} to {b:,.0f}" for h, rows, a, b in wrong[:_SHOWN])
    more = f"; and {len(wrong) - _SHOWN} more hours" if len(wrong) > _SHOWN else ""
    return Measured(value=float(len(wrong)), rows=window.rows, detail=shown + more)


def _freshness(window: Window, asked: Asked) -> Measured:
    if window.times_ms is None or window.end_ms is None or not len(window.times_ms):
        return Measured()
    newest = int(window.times_ms.max())
    age = max(0.0, (window.end_ms - newest) / 1000)
    return Measured(value=age, rows=window.rows, detail=f"the newest event is of {moment_text(newest)}")


def _lag(window: Window, asked: Asked) -> Measured:
    if window.times_ms is None or window.arrivals_ms is None or len(window.times_ms) < LEAST_ROWS:
        return Measured()
    seconds = np.maximum(window.arrivals_ms - window.times_ms, 0) / 1000
    return Measured(value=float(np.quantile(seconds, 0.95, method="nearest")), rows=len(seconds))


def _backwards(window: Window, asked: Asked) -> Measured:
    if window.times_ms is None or window.sources is None or len(window.times_ms) < LEAST_ROWS:
        return Measured()
    behind = 0
    starts = np.flatnonzero(np.diff(window.sources, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(window.sources)], strict=True):
        times = window.times_ms[start:stop]
        behind += int(np.count_nonzero(times < np.maximum.accumulate(times) - BEHIND_MS))
    rows = len(window.times_ms)
    return Measured(value=behind / rows, rows=rows, unexpected=behind)


def _standing(window: Window, asked: Asked) -> Measured:
    if window.times_ms is None or len(window.times_ms) < LEAST_ROWS:
        return Measured()
    moments, counts = np.unique(window.times_ms, return_counts=True)
    at = int(counts.argmax())
    rows = len(window.times_ms)
    return Measured(
        value=int(counts[at]) / rows,
        rows=rows,
        unexpected=int(counts[at]),
        detail=f"all of them dated {moment_text(int(moments[at]))}",
    )


def _copies(window: Window, asked: Asked) -> Measured:
    if window.looked_at < LEAST_ROWS:
        return Measured(rows=window.looked_at)
    _, counts = np.unique(row_hashes(window), return_counts=True)
    extra = int((counts - 1).sum())
    return Measured(value=extra / window.looked_at, rows=window.looked_at, unexpected=extra)


def _doubled(window: Window, asked: Asked) -> Measured:
    if window.times_ms is None or not len(window.times_ms) or window.hours is None:
        return Measured()
    block_ms = BLOCK_MS if window.rows / window.hours >= _FEW_PER_HOUR else HOUR_MS
    blocks = doubled_blocks(row_hashes(window), window.times_ms // block_ms)
    minutes = len(blocks) * block_ms / 60_000
    places = [(int(block) * block_ms, (int(block) + 1) * block_ms) for block in blocks]
    rows = sum(int(np.count_nonzero(window.times_ms // block_ms == block)) // 2 for block in blocks)
    return Measured(value=minutes, rows=window.looked_at, unexpected=rows, detail=stretches(places))


def doubled_blocks(hashes: npt.NDArray[np.uint64], blocks: Int64Array) -> Int64Array:
    """The blocks in which every row stands an even number of times, and enough different rows are."""
    order = np.lexsort((hashes, blocks))
    hashes, blocks = hashes[order], blocks[order]
    another = (hashes[1:] != hashes[:-1]) | (blocks[1:] != blocks[:-1])
    starts = np.concatenate([[0], 1 + np.flatnonzero(another)])
    counts = np.diff(starts, append=len(hashes))
    unique, place = np.unique(blocks[starts], return_inverse=True)
    distinct = np.bincount(place)
    odd = np.bincount(place, weights=counts % 2)
    return np.asarray(unique[(odd == 0) & (distinct >= _LEAST_DISTINCT)], np.int64)


def _key_hashes(window: Window) -> npt.NDArray[np.uint64] | None:
    names = [name for name in names_with_role(window.schema, Role.KEY) if name in window.table.column_names]
    if not names or window.looked_at < LEAST_ROWS:
        return None
    return hash_columns(_flat(window.table, names), window.looked_at)


def _flat(table: pa.Table, names: Sequence[str]) -> list[pa.Array]:
    columns = (table[name].combine_chunks() for name in names)
    return [c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns]


def _keys(window: Window, asked: Asked) -> Measured:
    hashes = _key_hashes(window)
    if hashes is None or window.times_ms is None or not window.whole:
        return Measured()
    hours = (window.times_ms // HOUR_MS).astype(np.uint64)
    pairs = np.unique(hashes ^ (hours * np.uint64(0x9E3779B97F4A7C15)))
    return Measured(value=len(pairs) / max(1, len(window.hourly)), rows=len(np.unique(hashes)))


def _largest_key(window: Window, asked: Asked) -> Measured:
    hashes = _key_hashes(window)
    if hashes is None:
        return Measured()
    most = int(np.unique(hashes, return_counts=True)[1].max())
    return Measured(value=most / len(hashes), rows=len(hashes), unexpected=most)


def _relation(window: Window, asked: Asked) -> Measured:
    absent = [name for name in (asked.smaller, asked.larger) if name not in window.table.column_names]
    if absent:
        return Measured(error=f"the window has no column {absent[0]!r}")
    less = pc.less(window.table[asked.smaller], window.table[asked.larger]).drop_null()
    if len(less) < LEAST_ROWS:
        return Measured(rows=len(less))
    count = int(pc.sum(less).as_py() or 0)
    return Measured(value=count / len(less), rows=len(less), unexpected=len(less) - count)


_MEASURES: dict[What, Callable[[Window, Asked], Measured]] = {
    What.PER_HOUR: _per_hour,
    What.BY_HOUR: _by_hour,
    What.FRESHNESS: _freshness,
    What.LAG: _lag,
    What.BACKWARDS: _backwards,
    What.STANDING: _standing,
    What.COPIES: _copies,
    What.DOUBLED: _doubled,
    What.KEYS: _keys,
    What.LARGEST_KEY: _largest_key,
    What.RELATION: _relation,
}
