"""Keyed streams as the sequence measures see them: figures of gaps, of events that follow one another, and of keys.

Shape legend: N events, K keys, P events that follow another of their key.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from synth.fidelity.frames import FloatArray, IntArray, kind_or_guess, left_out
from synth.streams.clock import hour_of_week
from synth.streams.histories import BoolArray, Histories, codes
from synth.streams.recency import NEW, ranks_of

MOST_LEVELS = 100
"""Columns of more levels are compared by whether events return to a level, not by which level follows which."""
_FLOOR_GAP_US = 1_000.0
AnyArray = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Pooled:
    """One figure an event, with the key it belongs to."""

    values: FloatArray | IntArray
    key: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is compared of one stream."""

    keys: int
    gaps: Pooled
    """log of the seconds between events, (P,)."""
    hours: Pooled
    """Hours of the week, (N,)."""
    of_keys: dict[str, FloatArray]
    """Figures of keys, NaN where a key has none, (K,)."""
    transitions: dict[str, Pooled]
    """By column: level before × levels + level, (P,)."""
    levels: dict[str, int]
    """By column of `transitions`."""
    returns: dict[str, Pooled]
    """By column of many levels: 0 the level before again, 1 another one seen before, 2 a new one; (P,)."""
    moments: dict[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    """By numeric column, off the key's mean: a key's sum of products of neighbours, and of squares; (K,) each."""

    def of(self, chosen_K: BoolArray) -> "View":
        """The view of some keys; keys keep their numbers."""
        return View(
            keys=self.keys,
            gaps=_only(self.gaps, chosen_K),
            hours=_only(self.hours, chosen_K),
            of_keys={name: np.where(chosen_K, values_K, np.nan) for name, values_K in self.of_keys.items()},
            transitions={name: _only(pooled, chosen_K) for name, pooled in self.transitions.items()},
            levels=self.levels,
            returns={name: _only(pooled, chosen_K) for name, pooled in self.returns.items()},
            moments={name: (a_K * chosen_K, b_K * chosen_K) for name, (a_K, b_K) in self.moments.items()},
        )


def _only(pooled: Pooled, chosen_K: BoolArray) -> Pooled:
    chosen_N = chosen_K[pooled.key]
    return Pooled(pooled.values[chosen_N], pooled.key[chosen_N])


def views(streams: Sequence[Histories], *, key: str, time: str) -> list[View]:
    """A view of each of some streams of one schema, levels numbered alike in all."""
    table = streams[0].table
    skipped = {key, time, *left_out(table)}
    names = [name for name in table.column_names if name not in skipped]
    kinds = {name: kind_or_guess(table.schema.field(name), table[name]) for name in names}
    named = {name: _together(streams, name) for name in names if kinds[name] in (Kind.CATEGORICAL, Kind.BOOLEAN)}
    numeric = [name for name in names if kinds[name] is Kind.NUMERIC]
    ranked = {name: _ranks_together(streams, name) for name in numeric}
    found = []
    for at, histories in enumerate(streams):
        own_levels = {name: code[at] for name, code in named.items()}
        counts = {name: int(max(c.max(initial=0) for c in code)) + 1 for name, code in named.items()}
        found.append(_view(histories, own_levels, counts, {name: values[at] for name, values in ranked.items()}))
    return found


def _view(h: Histories, code_of: dict[str, IntArray], levels: dict[str, int], rank_of: dict[str, FloatArray]) -> View:
    later_N = ~h.first_N
    key_P = h.key_N[later_N]
    gap_us_P = h.gap_us_N[later_N].astype(np.float64)
    few = [name for name in code_of if levels[name] <= MOST_LEVELS]
    return View(
        keys=h.keys,
        gaps=Pooled(np.log(np.maximum(gap_us_P, _FLOOR_GAP_US) / 1e6), key_P),
        hours=Pooled(hour_of_week(h.time_us_N), h.key_N),
        of_keys={
            "lengths": h.count_K.astype(np.float64),
            "key_gaps": _medians(np.log(np.maximum(gap_us_P, _FLOOR_GAP_US)), key_P, h.keys),
            "burstiness": burstiness(gap_us_P, key_P, h.keys),
            "memory": memory(h),
        },
        transitions={
            name: Pooled((np.roll(code_of[name], 1) * levels[name] + code_of[name])[later_N], key_P) for name in few
        },
        levels={name: levels[name] for name in few},
        returns={name: _returns(h, code_of[name], later_N) for name in code_of if name not in few},
        moments={name: _moments(h, rank_N) for name, rank_N in rank_of.items()},
    )


def burstiness(gap_P: FloatArray, key_P: IntArray, keys: int) -> FloatArray:
    """(σ − μ) / (σ + μ) of each key's gaps (Goh & Barabási 2008, eq. 1); NaN for fewer than two gaps or all zero."""
    count_K = np.bincount(key_P, minlength=keys)
    mean_K = _ratio(np.bincount(key_P, weights=gap_P, minlength=keys), count_K)
    off_P = gap_P - mean_K[key_P]
    deviation_K = np.sqrt(_ratio(np.bincount(key_P, weights=off_P**2, minlength=keys), count_K))
    found_K = _ratio(deviation_K - mean_K, deviation_K + mean_K)
    return np.where(count_K >= 2, found_K, np.nan)


def memory(h: Histories) -> FloatArray:
    """The correlation of each gap with the next (Goh & Barabási 2008, eq. 2), of logarithms; NaN below four."""
    gap_N = np.log1p(h.gap_us_N / 1e6)
    place_N = h.position_N
    second_N = place_N >= 2
    before_N, after_N, key_N = np.roll(gap_N, 1)[second_N], gap_N[second_N], h.key_N[second_N]
    count_K = np.bincount(key_N, minlength=h.keys)
    off = []
    for values_N in (before_N, after_N):
        mean_K = _ratio(np.bincount(key_N, weights=values_N, minlength=h.keys), count_K)
        off.append(values_N - mean_K[key_N])
    pairs = ((off[0], off[1]), (off[0], off[0]), (off[1], off[1]))
    sums = [np.bincount(key_N, weights=a * b, minlength=h.keys) for a, b in pairs]
    correlation_K = _ratio(sums[0], np.sqrt(sums[1] * sums[2]))
    return np.where(count_K >= 3, correlation_K, np.nan)


def _moments(h: Histories, rank_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    known_N = np.isfinite(rank_N)
    mean_K = _ratio(
        np.bincount(h.key_N[known_N], weights=rank_N[known_N], minlength=h.keys),
        np.bincount(h.key_N[known_N], minlength=h.keys),
    )
    off_N = np.where(known_N, rank_N - np.nan_to_num(mean_K)[h.key_N], 0.0)
    products_N = np.where(h.first_N, 0.0, off_N * np.roll(off_N, 1))
    found = [np.bincount(h.key_N, weights=values_N, minlength=h.keys) for values_N in (products_N, off_N**2)]
    return found[0].astype(np.float64), found[1].astype(np.float64)


def _returns(h: Histories, code_N: IntArray, later_N: BoolArray) -> Pooled:
    rank_N, _ = ranks_of(code_N, h.begin_K, h.count_K)
    return Pooled(np.where(rank_N == 0, 0, np.where(rank_N == NEW, 2, 1))[later_N], h.key_N[later_N])


def _medians(values_P: FloatArray, key_P: IntArray, keys: int) -> FloatArray:
    """Each key's median, the lower one of two; NaN where it has no value."""
    order_P = np.lexsort((values_P, key_P))
    count_K = np.bincount(key_P, minlength=keys)
    place_K = np.cumsum(count_K) - count_K + np.maximum(count_K - 1, 0) // 2
    found_K = np.full(keys, np.nan)
    found_K[count_K > 0] = values_P[order_P][place_K[count_K > 0]]
    return found_K


def _ratio(top_K: AnyArray, bottom_K: AnyArray) -> FloatArray:
    ratio_K: FloatArray = np.divide(top_K, bottom_K, out=np.full(len(top_K), np.nan), where=bottom_K > 0)
    return ratio_K


def _together(streams: Sequence[Histories], name: str) -> list[IntArray]:
    """Codes of a column, the same in all streams; a missing value is a level."""
    texts = [_plain(s.table[name]).cast(pa.string()) for s in streams]
    joint = codes(pa.chunked_array([chunk for column in texts for chunk in column.chunks], pa.string()))
    return np.split(joint, np.cumsum([len(column) for column in texts])[:-1])


def _ranks_together(streams: Sequence[Histories], name: str) -> list[FloatArray]:
    """Places of a column's values among those of the first stream, 0 to 1, NaN where missing."""
    numbers = [np.asarray(pc.fill_null(_plain(s.table[name]).cast(pa.float64(), safe=False), np.nan)) for s in streams]
    known = np.sort(numbers[0][np.isfinite(numbers[0])])
    found = []
    for values_N in numbers:
        low_N, high_N = np.searchsorted(known, values_N, "left"), np.searchsorted(known, values_N, "right")
        found.append(np.where(np.isfinite(values_N), (low_N + high_N) / max(2 * len(known), 1), np.nan))
    return found


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
