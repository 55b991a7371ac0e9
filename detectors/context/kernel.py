"""The loop over rows that reads a key's state, writes the row's columns, and moves the state past the row.

State of a slot, as doubles: the time of its newest event; H decayed counts; for each numeric column and moment
half-life a decayed weight, mean and sum of squared deviations (Welford's update with exponential forgetting, as Finch
2009); for each categorical column the decayed count of new categories. The last half-life is the norm's. Beside it,
for each categorical column, the 16-bit fingerprints of the last `MEMORY` different categories, newest first.

A key's slot is found in an open-addressing table: slot numbers at the hash's place or the next free one (linear
probing, at most half full, deletion by shifting back, so no tombstones pile up). Keys hang in a list from the one seen
longest ago to the newest; when `max_keys` are held and another comes, the one seen longest ago **in offset order** is
forgotten and its slot taken over. Neither time nor batch borders play a part.

One file, because Numba's cache looks at the source of the calling function's file alone.

Shape legend: B rows, K slots, S doubles of a slot, T places of the table (a power of two, at least 2 K), H half-lives,
N numeric and C categorical columns, M categories remembered, O output rows.
"""

from math import exp, floor, sqrt

import numpy as np
import numpy.typing as npt

from detectors.base import FloatArray
from detectors.compiled import compiled, inlined
from detectors.context.hashing import UInt64Array

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
UInt16Array = npt.NDArray[np.uint16]

MEMORY = 16
"""Categories remembered for each key and column. An unknown one is taken for known in 1 of 4,096 cases at most."""
FARTHEST = 1e30
"""Numbers are clipped here, so that no square overflows."""
MOST_DEVIATIONS = 10.0
PRIOR_WEIGHT = 2.0
"""Until a key has history, its variance leans on `PRIOR_SPREAD` of its mean, as if from this many events."""
PRIOR_SPREAD = 0.5
LN_2 = 0.6931471805599453
LAST = 0
FREE = -1
USED, OLDEST, NEWEST = 0, 1, 2
OLDER, NEWER = 0, 1


@compiled
def walk_oldest_first(links_K2: Int32Array, ends: Int64Array) -> Int64Array:
    """The slots of all keys held, from the one seen longest ago to the newest."""
    slots = np.empty(ends[USED], dtype=np.int64)
    slot = ends[OLDEST]
    for i in range(len(slots)):
        slots[i] = slot
        slot = np.int64(links_K2[slot, NEWER])
    return slots


@compiled
def fill(
    hashes: UInt64Array, places_T: Int32Array, hashes_K: UInt64Array, links_K2: Int32Array, ends: Int64Array
) -> None:
    """Hold `hashes`, oldest first, in slots 0, 1, … of empty arrays that have room for them."""
    for i in range(len(hashes)):
        slot_of(hashes[i], len(hashes), places_T, hashes_K, links_K2, ends)


@inlined
def _append(slot: np.int64, links_K2: Int32Array, ends: Int64Array) -> None:
    """Put a slot at the newest end."""
    links_K2[slot, OLDER] = ends[NEWEST]
    links_K2[slot, NEWER] = FREE
    if ends[NEWEST] >= 0:
        links_K2[ends[NEWEST], NEWER] = slot
    else:
        ends[OLDEST] = slot
    ends[NEWEST] = slot


@inlined
def _unlink(slot: np.int64, links_K2: Int32Array, ends: Int64Array) -> None:
    """Take a slot out of the list."""
    older, newer = links_K2[slot, OLDER], links_K2[slot, NEWER]
    if older >= 0:
        links_K2[older, NEWER] = newer
    else:
        ends[OLDEST] = newer
    if newer >= 0:
        links_K2[newer, OLDER] = older
    else:
        ends[NEWEST] = older


@compiled
def _remove(hash_: np.uint64, places_T: Int32Array, hashes_K: UInt64Array) -> None:
    """Take a key out of the table and move those after it back, so that probing finds them without tombstones."""
    mask = np.uint64(len(places_T) - 1)
    one = np.uint64(1)
    hole = hash_ & mask
    while hashes_K[places_T[hole]] != hash_:
        hole = (hole + one) & mask
    at = (hole + one) & mask
    while places_T[at] != FREE:
        home = hashes_K[places_T[at]] & mask
        if ((at - home) & mask) >= ((at - hole) & mask):
            places_T[hole] = places_T[at]
            hole = at
        at = (at + one) & mask
    places_T[hole] = FREE


@compiled
def slot_of(
    hash_: np.uint64,
    max_keys: int,
    places_T: Int32Array,
    hashes_K: UInt64Array,
    links_K2: Int32Array,
    ends: Int64Array,
) -> np.int64:
    """The slot of a key, which is now the newest; for a key not held −1 − its new slot, to be cleared by the caller.

    The arrays must have room: fewer than their capacity used, or `max_keys` used.
    """
    mask = np.uint64(len(places_T) - 1)
    at = hash_ & mask
    while places_T[at] != FREE:
        slot = np.int64(places_T[at])
        if hashes_K[slot] == hash_:
            if slot != ends[NEWEST]:
                _unlink(slot, links_K2, ends)
                _append(slot, links_K2, ends)
            return slot
        at = (at + np.uint64(1)) & mask
    slot = np.int64(ends[USED])
    if slot < max_keys:
        ends[USED] += 1
    else:
        slot = np.int64(ends[OLDEST])
        _remove(hashes_K[slot], places_T, hashes_K)
        _unlink(slot, links_K2, ends)
        at = hash_ & mask
        while places_T[at] != FREE:
            at = (at + np.uint64(1)) & mask
    places_T[at] = slot
    hashes_K[slot] = hash_
    _append(slot, links_K2, ends)
    return np.int64(-1 - slot)


def state_width(half_lives: int, moment_lives: int, numeric: int, categorical: int) -> int:
    """S, the doubles kept for each key; `moment_lives` of the half-lives (the longest ones) have means and spreads."""
    return 1 + half_lives + 3 * numeric * moment_lives + categorical


@inlined
def _put(out_OB: FloatArray, row: int, i: int, value: float) -> None:
    if row >= 0:
        out_OB[row, i] = value


@inlined
def _deviation(x: float, weight: float, mean: float, squares: float) -> float:
    """How many of its standard deviations a value lies from the key's mean, within ± MOST_DEVIATIONS."""
    prior = PRIOR_SPREAD * mean
    spread = sqrt((squares + PRIOR_WEIGHT * prior * prior) / (weight + PRIOR_WEIGHT))
    if spread > 0.0:
        return min(max((x - mean) / spread, -MOST_DEVIATIONS), MOST_DEVIATIONS)
    if x == mean:
        return 0.0
    return MOST_DEVIATIONS if x > mean else -MOST_DEVIATIONS


@inlined
def _fingerprint(category: np.uint64) -> np.uint16:
    """16 bits of a category's hash, never 0, which stands for nothing remembered."""
    bits = np.uint16(category >> np.uint64(48))
    return bits if bits > 0 else np.uint16(1)


@inlined
def _remember(category: np.uint16, known_M: UInt16Array) -> bool:
    """Whether a category was not among the last ones; it is the newest of them now."""
    at = 0
    while at < MEMORY - 1 and known_M[at] != category:
        at += 1
    new = bool(known_M[at] != category)
    while at > 0:
        known_M[at] = known_M[at - 1]
        at -= 1
    known_M[0] = category
    return new


@inlined
def _categories(
    categories_CB: UInt64Array,
    i: int,
    cold: bool,
    decay: float,
    events: float,
    at: int,
    key_S: FloatArray,
    known_CM: UInt16Array,
    new_at_C2: Int64Array,
    out_OB: FloatArray,
) -> None:
    """The part of a row that its categories have; `events` is the key's decayed count before the row."""
    for c in range(len(categories_CB)):
        new = _remember(_fingerprint(categories_CB[c, i]), known_CM[c])
        key_S[at + c] *= decay
        _put(out_OB, new_at_C2[c, 0], i, np.nan if cold else (1.0 if new else 0.0))
        _put(out_OB, new_at_C2[c, 1], i, np.nan if cold else key_S[at + c] / events)
        if new and not cold:
            key_S[at + c] += 1.0


@compiled
def advance(
    hashes_B: UInt64Array,
    times_ms_B: Int64Array,
    values_NB: FloatArray,
    categories_CB: UInt64Array,
    half_lives_ms_H: FloatArray,
    moment_lives: int,
    max_keys: int,
    places_T: Int32Array,
    hashes_K: UInt64Array,
    links_K2: Int32Array,
    ends: Int64Array,
    state_KS: FloatArray,
    known_KCM: npt.NDArray[np.uint16],
    key_at: Int64Array,
    count_at_H: Int64Array,
    moments_at_NH3: Int64Array,
    deviation_at_N: Int64Array,
    new_at_C2: Int64Array,
    out_OB: FloatArray,
) -> None:
    """Write every row's columns into `out_OB` (NaN where a key has no history) and move the state past the rows."""
    H, N = len(half_lives_ms_H), len(values_NB)
    decay_H = np.ones(H)
    nan = np.nan
    for i in range(len(hashes_B)):
        slot = slot_of(hashes_B[i], max_keys, places_T, hashes_K, links_K2, ends)
        cold = slot < 0
        if cold:
            slot = -1 - slot
            state_KS[slot] = 0.0
            state_KS[slot, LAST] = times_ms_B[i]
            known_KCM[slot] = 0
        key_S = state_KS[slot]
        gap_ms = max(times_ms_B[i] - key_S[LAST], 0.0)
        key_S[LAST] += gap_ms
        _put(out_OB, key_at[0], i, nan if cold else gap_ms / 1000.0)
        for h in range(H):
            decay_H[h] = exp(-LN_2 * gap_ms / half_lives_ms_H[h]) if gap_ms > 0.0 else 1.0
            key_S[1 + h] *= decay_H[h]
            _put(out_OB, count_at_H[h], i, floor(key_S[1 + h]))
        promised = key_S[H] * half_lives_ms_H[0] / half_lives_ms_H[H - 1]
        _put(out_OB, key_at[1], i, (key_S[1] - promised) / sqrt(promised + 1.0))
        at = 1 + H
        for n in range(N):
            x, deviation = values_NB[n, i], nan
            for h in range(H - moment_lives, H):
                weight, mean, squares = key_S[at] * decay_H[h], key_S[at + 1], key_S[at + 2] * decay_H[h]
                blank = not weight > 0.0
                _put(out_OB, moments_at_NH3[n, h, 0], i, nan if blank else mean)
                _put(out_OB, moments_at_NH3[n, h, 1], i, weight * mean)
                _put(out_OB, moments_at_NH3[n, h, 2], i, nan if blank else sqrt(squares / weight))
                if abs(x) < np.inf:
                    y = min(max(x, -FARTHEST), FARTHEST)
                    if h == H - 1 and not blank:
                        deviation = _deviation(y, weight, mean, squares)
                    step = y - mean
                    mean += step / (weight + 1.0)
                    squares += step * step * weight / (weight + 1.0)  # never below zero, unlike step * (y - mean)
                    weight += 1.0
                key_S[at], key_S[at + 1], key_S[at + 2] = weight, mean, squares
                at += 3
            _put(out_OB, deviation_at_N[n], i, deviation)
        _categories(
            categories_CB, i, bool(cold), decay_H[H - 1], key_S[H], at, key_S, known_KCM[slot], new_at_C2, out_OB
        )
        for h in range(H):
            key_S[1 + h] += 1.0
