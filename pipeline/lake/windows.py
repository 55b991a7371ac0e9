"""Cuts an archive into windows of time that each fit in memory, and says which row groups each window needs.

Row groups overlap in time (several partitions, late events), so their least and greatest times say too little: one
late event would stretch a row group over days, and it would be read again for each window of them. So times alone
are read twice: once for samples that give even windows, once for the windows that each row group really has rows in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.kafka.port import Int64Array

_SAMPLE_EVERY = 256


@dataclass(frozen=True, slots=True)
class RowGroup:
    """One row group of one file, with its rows' least and greatest time."""

    path: Path
    index: int
    rows: int
    min_ms: int
    max_ms: int


@dataclass(frozen=True, slots=True)
class Window:
    """Times from `start_ms` up to, not including, `end_ms`, and the row groups that have any."""

    start_ms: int
    end_ms: int
    groups: tuple[RowGroup, ...]


def plan(
    groups: Sequence[RowGroup],
    read_times: Callable[[RowGroup], Int64Array],
    *,
    start_ms: int | None,
    end_ms: int | None,
    window_rows: int,
) -> list[Window]:
    """Windows in order of time, each of about `window_rows` rows at most (more only where one millisecond has more)."""
    low = min((g.min_ms for g in groups), default=0) if start_ms is None else start_ms
    high = max((g.max_ms + 1 for g in groups), default=0) if end_ms is None else end_ms
    inside = [g for g in groups if g.min_ms < high and g.max_ms >= low]
    if sum(g.rows for g in inside) <= window_rows:
        return [Window(low, high, tuple(inside))] if inside else []
    cuts = _cuts(inside, read_times, low, high, window_rows)
    edges = [low, *cuts, high]
    members: list[list[RowGroup]] = [[] for _ in range(len(edges) - 1)]
    for group in inside:
        for window in _windows_of(group, read_times, cuts, low, high):
            members[window].append(group)
    return [Window(edges[i], edges[i + 1], tuple(m)) for i, m in enumerate(members) if m]


def _cuts(
    groups: Sequence[RowGroup], read_times: Callable[[RowGroup], Int64Array], low: int, high: int, window_rows: int
) -> list[int]:
    samples = []
    for group in groups:
        times = read_times(group)
        samples.append(np.sort(times[(times >= low) & (times < high)])[::_SAMPLE_EVERY])
    merged = np.sort(np.concatenate(samples))
    step = max(1, window_rows // _SAMPLE_EVERY)
    return [int(cut) for cut in np.unique(merged[step::step]) if low < cut < high]


def _windows_of(
    group: RowGroup, read_times: Callable[[RowGroup], Int64Array], cuts: list[int], low: int, high: int
) -> Sequence[int]:
    first, last = np.searchsorted(cuts, [max(group.min_ms, low), min(group.max_ms, high - 1)], side="right")
    if last - first <= 1:
        return range(int(first), int(last) + 1)
    times = read_times(group)
    inside = times[(times >= low) & (times < high)]
    return [int(w) for w in np.unique(np.searchsorted(cuts, inside, side="right"))]
