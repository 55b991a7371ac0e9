"""A row for each history, for a classifier that sees whole histories.

Shape legend: N events, K keys.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, make_field
from synth.fidelity.frames import FloatArray, kind_or_guess, left_out
from synth.streams.clock import hour_of_week, second_of_day, weekday
from synth.streams.histories import Histories, codes
from synth.streams.recency import ranks_of

QUANTILES = (0.1, 0.5, 0.9)
MOST_SHARES = 6
"""Levels of a column, and pairs of neighbouring levels, whose shares are columns."""


def history_tables(streams: Sequence[Histories], *, key: str, time: str) -> list[pa.Table]:
    """Lengths, gaps, hours, and of every column level, spread, first, last, distinct levels, changes; (K,) each stream.

    Which levels and pairs have columns is decided by the first stream.
    """
    table = streams[0].table
    skipped = {key, time, *left_out(table)}
    made = [_of_times(histories, int(streams[0].time_us_N.min())) for histories in streams]
    for name in table.column_names:
        kind = kind_or_guess(table.schema.field(name), table[name])
        if name in skipped or kind is Kind.TIME:
            continue
        views = _numeric(streams, name) if kind is Kind.NUMERIC else _named(streams, name)
        for columns, view in zip(made, views, strict=True):
            columns |= view
    return [_table(columns) for columns in made]


def _of_times(h: Histories, begin_us: int) -> dict[str, FloatArray]:
    hour_N = second_of_day(h.time_us_N) / 3_600.0
    gap_N = np.where(h.first_N, np.nan, np.log(np.maximum(h.gap_us_N, 1_000) / 1e6))
    found = {
        "count": h.count_K.astype(np.float64),
        "first": (h.first_us_K - begin_us) / 8.64e10,
        "last": (h.last_us_K - begin_us) / 8.64e10,
        "mean hour": _mean(hour_N, h),
        "hours apart": _spread(hour_N, h),
        "weekend": _mean((weekday(h.time_us_N) >= 5).astype(np.float64), h),
        "night": _mean((hour_N < 6).astype(np.float64), h),
        "evening": _mean((hour_N >= 18).astype(np.float64), h),
        "hours of the week": _distinct(hour_of_week(h.time_us_N), h),
        "mean gap": _mean(gap_N, h),
        "gaps apart": _spread(gap_N, h),
        "gap after gap": _next_to(gap_N, h),
    }
    return found | {f"gap {q}": _quantile(gap_N, h, q) for q in QUANTILES}


def _numeric(streams: Sequence[Histories], name: str) -> list[dict[str, FloatArray]]:
    found = []
    for h in streams:
        plain = _plain(h.table[name]).cast(pa.float64(), safe=False)
        values_N = np.asarray(pc.fill_null(plain, np.nan).to_numpy(), dtype=np.float64)
        last_K = h.begin_K + h.count_K - 1
        found.append(
            {
                f"{name} mean": _mean(values_N, h),
                f"{name} apart": _spread(values_N, h),
                f"{name} first": values_N[h.begin_K],
                f"{name} last": values_N[last_K],
                f"{name} neighbours": _next_to(values_N, h),
                f"{name} distinct": _distinct(np.nan_to_num(values_N), h),
            }
        )
    return found


def _named(streams: Sequence[Histories], name: str) -> list[dict[str, FloatArray]]:
    texts = [_plain(h.table[name]).cast(pa.string()) for h in streams]
    joint_N = codes(pa.chunked_array([chunk for text in texts for chunk in text.chunks], pa.string()))
    code_of = np.split(joint_N, np.cumsum([len(text) for text in texts])[:-1])
    levels = int(joint_N.max()) + 1
    common = np.argsort(-np.bincount(code_of[0], minlength=levels), kind="stable")[:MOST_SHARES]
    place_V = np.full(levels, MOST_SHARES)
    place_V[common] = np.arange(len(common))
    found = []
    for h, code_N in zip(streams, code_of, strict=True):
        changed_N = np.where(h.first_N, np.nan, (np.roll(code_N, 1) != code_N) * 1.0)
        rank_N, _ = ranks_of(code_N, h.begin_K, h.count_K)
        columns = {
            f"{name} distinct": _distinct(code_N, h),
            f"{name} changes": _mean(changed_N, h),
            f"{name} new": _mean((rank_N < 0).astype(np.float64), h),
            f"{name} first": place_V[code_N[h.begin_K]].astype(np.float64),
            f"{name} last": place_V[code_N[h.begin_K + h.count_K - 1]].astype(np.float64),
        }
        pair_N = np.roll(place_V[code_N], 1) * (MOST_SHARES + 1) + place_V[code_N]
        for at in range(len(common)):
            columns[f"{name} is {at}"] = _mean((place_V[code_N] == at).astype(np.float64), h)
            after_N = np.where(h.first_N, np.nan, (pair_N == at * (MOST_SHARES + 1) + (at + 1) % len(common)) * 1.0)
            columns[f"{name} {at} on"] = _mean(after_N, h)
        found.append(columns)
    return found


def _mean(values_N: FloatArray, h: Histories) -> FloatArray:
    known_N = np.isfinite(values_N)
    count_K = np.bincount(h.key_N[known_N], minlength=h.keys)
    total_K = np.bincount(h.key_N[known_N], weights=values_N[known_N], minlength=h.keys)
    mean_K: FloatArray = np.divide(total_K, count_K, out=np.full(h.keys, np.nan), where=count_K > 0)
    return mean_K


def _spread(values_N: FloatArray, h: Histories) -> FloatArray:
    return np.sqrt(_mean((values_N - _mean(values_N, h)[h.key_N]) ** 2, h))


def _next_to(values_N: FloatArray, h: Histories) -> FloatArray:
    """The mean of what neighbours differ by."""
    off_N = np.abs(values_N - np.roll(values_N, 1))
    return _mean(np.where(h.first_N, np.nan, off_N), h)


def _quantile(values_N: FloatArray, h: Histories, q: float) -> FloatArray:
    known_N = np.isfinite(values_N)
    key_P, values_P = h.key_N[known_N], values_N[known_N]
    order_P = np.lexsort((values_P, key_P))
    count_K = np.bincount(key_P, minlength=h.keys)
    place_K = np.cumsum(count_K) - count_K + np.round(q * np.maximum(count_K - 1, 0)).astype(np.int64)
    found_K = np.full(h.keys, np.nan)
    found_K[count_K > 0] = values_P[order_P][place_K[count_K > 0]]
    return found_K


def _distinct(values_N: np.ndarray[tuple[int], np.dtype[np.generic]], h: Histories) -> FloatArray:
    _, code_N = np.unique(values_N, return_inverse=True)
    pair_P = np.unique(h.key_N * (int(code_N.max()) + 1) + code_N)
    return np.bincount(pair_P // (int(code_N.max()) + 1), minlength=h.keys).astype(np.float64)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _table(columns: dict[str, FloatArray]) -> pa.Table:
    fields = [make_field(name, Kind.NUMERIC, [Role.FEATURE]) for name in columns]
    return pa.table([pa.array(v, pa.float64(), from_pandas=True) for v in columns.values()], schema=pa.schema(fields))
