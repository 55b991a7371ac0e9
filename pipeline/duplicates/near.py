"""Near duplicates: rows that differ from an earlier one in at most a column or two, numbers within a tolerance.

Not every pair is compared. A pair that differs in at most d columns is equal in all the others, so for each choice of d
columns to leave out the hashes of the rest are sorted, and equal ones held against their neighbours. (Blocking on
leave-one-out keys; with neighbours at most `NEIGHBOURS` apart in each block, it is the sorted neighbourhood method of
Hernández and Stolfo, 1995.) Numbers are hashed by the cell of a grid that they lie in, and by that of the same grid
moved by half a cell, so that few near values are parted by an edge: with every one of ten numbers off by the whole
tolerance 93 of 100 pairs are found, with one off by it all are. Each pair found is verified value by value: none is
invented.

Fails where hardly a column tells rows apart: blocks are large then, of which only neighbours are compared, and most of
what is found is chance. `chance` says how much: what is found among as many rows whose columns know nothing of each
other. Columns that go together (a customer's town and street) make more by chance than that.

Shape legend: N rows, F numeric columns, C other columns, G groups of columns, M rows in blocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled
from pipeline.duplicates.content import UInt64Array
from pipeline.duplicates.frame import FloatArray, Frame
from pipeline.duplicates.repeats import Int64Array, repeats

Float32Array = npt.NDArray[np.float32]

NEIGHBOURS = 16
"""Rows of a block that each is held against, by a projection of their numbers."""
CELL_TOLERANCES = 32.0
"""The width of a grid's cell."""
MOST_GROUPS = {1: 24, 2: 8}
"""Columns are taken together beyond so many, by how many may differ."""
SLOTS_A_ROW = 16
LEAST_COLUMNS = 3
"""With fewer, rows that agree in all but one are no surprise."""
_SPREAD = (0.02, 0.98)
_NULL = np.uint64(0xD6E8FEB86659FD93)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearOptions:
    """What counts as near."""

    most_differing: int = 1
    """Columns that may have any other value: 1 or 2. Two cost several times the time."""
    tolerance: float = 1e-3
    """Numbers are equal within this share of their column's spread (2nd to 98th percentile)."""

    def __post_init__(self) -> None:
        if self.most_differing not in MOST_GROUPS or not 0.0 <= self.tolerance < 0.1:
            raise ValueError("most_differing is 1 or 2, tolerance a share below 0.1")


@dataclass(frozen=True, slots=True)
class NearRows:
    """Which rows are near an earlier one."""

    earlier: Int64Array
    """(N,): the place of the earliest row found near; -1 where there is none."""
    differs: Int64Array
    """(N,): a column that differs from it, the last of two; -1 where all are within tolerance, or nothing is near."""
    exact_rows: int
    """Rows that equal an earlier one: they are near nothing."""


def near_rows(frame: Frame, options: NearOptions) -> NearRows:
    """Rows of a frame that are near an earlier one and equal none. Time grows with the rows times the columns."""
    nothing = np.full(frame.rows, -1, np.int64)
    if len(frame.columns) < LEAST_COLUMNS or frame.rows < 2:
        return NearRows(nothing, nothing.copy(), 0)
    equal = repeats(_group_hashes(frame, np.zeros(frame.numbers.shape[1]), 0.0, 1)[0])
    if not len(equal.rows):
        return _near(frame, options)
    kept = np.flatnonzero(~equal.mask(frame.rows))
    found = _near(Frame(frame.numbers[kept], frame.names[kept], frame.columns), options)
    earlier, differs = nothing, nothing.copy()
    earlier[kept] = np.where(found.earlier >= 0, kept[found.earlier], -1)
    differs[kept] = found.differs
    return NearRows(earlier, differs, len(equal.rows))


def _near(frame: Frame, options: NearOptions) -> NearRows:
    """Among rows that all differ."""
    spread = _spreads(frame)
    tolerance = options.tolerance * spread
    found = NearRows(np.full(frame.rows, -1, np.int64), np.full(frame.rows, -1, np.int64), 0)
    scaled = _scaled(frame, spread)
    grids = (0.0, 0.5) if (tolerance > 0).any() else (0.0,)
    for grid in grids:
        groups = _group_hashes(frame, tolerance, grid, MOST_GROUPS[options.most_differing])
        total = groups.sum(axis=0, dtype=np.uint64)
        for left_out in _choices(len(groups), options.most_differing):
            key = total.copy()
            for group in left_out:
                key -= groups[group]
            order = _in_blocks(key, scaled, left_out, len(groups))
            most = options.most_differing
            _compare(order, key, frame.numbers, frame.names, tolerance, most, found.earlier, found.differs)
    return found


def chance(frame: Frame, options: NearOptions, *, seed: int = 0) -> NearRows:
    """What is found among as many rows whose columns know nothing of each other."""
    return near_rows(frame.shuffled(np.random.default_rng(seed)), options)


def _choices(groups: int, most: int) -> Iterator[tuple[int, ...]]:
    """Which groups to leave out, each choice once; one fewer than groups at most."""
    yield from combinations(range(groups), min(most, groups - 1))


def _spreads(frame: Frame) -> FloatArray:
    """The robust range of each number, or the whole where most values are equal; 0 for a constant, (F,)."""
    spread = np.zeros(frame.numbers.shape[1])
    for place in range(len(spread)):
        known = frame.numbers[:, place]
        known = known[np.isfinite(known)]
        if len(known):
            low, high = np.quantile(known, _SPREAD)
            spread[place] = high - low if high > low else np.ptp(known)
    return spread


def _scaled(frame: Frame, spread: FloatArray) -> Float32Array:
    """Each number in units of its spread with a weight of its own, 0 where there is none, (F, N): adds up to a line on
    which near rows are near."""
    weights = np.random.default_rng(0).uniform(0.5, 1.5, len(spread))
    made = np.zeros((len(spread), frame.rows), np.float32)
    for place in np.flatnonzero(spread):
        values = np.clip(frame.numbers[:, place] / spread[place], -1e6, 1e6) * weights[place]
        made[place] = np.where(np.isfinite(values), values, 0.0)
    return made


def _projection(scaled: Float32Array, rows: Int64Array, left_out: tuple[int, ...], groups: int) -> FloatArray:
    made = np.zeros(len(rows))
    for place in range(len(scaled)):
        if place % groups not in left_out:
            made += scaled[place, rows]
    return made


def _group_hashes(frame: Frame, tolerance: FloatArray, grid: float, most: int) -> UInt64Array:
    """One number for the values of each group of columns, (G, N); they add up to a row's."""
    width = frame.numbers.shape[1]
    columns = width + frame.names.shape[1]
    made = np.zeros((min(columns, most), frame.rows), np.uint64)
    for place in range(columns):
        if place < width:
            words = _cells(frame.numbers[:, place], CELL_TOLERANCES * tolerance[place], grid)
        else:
            words = frame.names[:, place - width]
        made[place % len(made)] += _mixed(words, place)
    return made


def _cells(values: FloatArray, cell: float, grid: float) -> UInt64Array:
    """The cell that each value lies in, as a word; the value itself where there is no tolerance."""
    cells = np.floor(values / cell + grid) + 0.0 if cell > 0 else np.ascontiguousarray(values)
    words = cells.view(np.uint64).copy()
    words[np.isnan(values)] = _NULL
    return words


def _mixed(words: UInt64Array, salt: int) -> UInt64Array:
    """The finaliser of splitmix64 over word and salt."""
    mixed = words + np.uint64((salt + 1) * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))


def _in_blocks(key: UInt64Array, scaled: Float32Array, left_out: tuple[int, ...], groups: int) -> Int64Array:
    """The rows whose key another has, block by block, in order of their projections, (M,)."""
    slots = np.zeros(1 << max(10, (SLOTS_A_ROW * len(key) - 1).bit_length()), np.uint8)
    rows = _perhaps_several(key, slots)
    order = np.argsort(key[rows])
    ordered = key[rows[order]]
    same_as_next = ordered[1:] == ordered[:-1]
    several = np.zeros(len(ordered), np.bool_)
    several[1:] |= same_as_next
    several[:-1] |= same_as_next
    rows = rows[order[several]]
    return np.asarray(rows[np.lexsort((rows, _projection(scaled, rows, left_out, groups), key[rows]))], np.int64)


@compiled
def _perhaps_several(key: UInt64Array, slots: npt.NDArray[np.uint8]) -> Int64Array:
    """Rows whose key another may have: those that share a slot. Saves sorting all the others."""
    last = np.uint64(len(slots) - 1)
    found = 0
    for row in range(len(key)):
        slot = key[row] & last
        if slots[slot] < 2:
            slots[slot] += 1
    for row in range(len(key)):
        found += slots[key[row] & last] > 1
    rows = np.empty(found, np.int64)
    found = 0
    for row in range(len(key)):
        if slots[key[row] & last] > 1:
            rows[found] = row
            found += 1
    return rows


@compiled
def _compare(  # noqa: C901 - one loop over pairs, left as early as can be
    order: Int64Array,
    key: UInt64Array,
    numbers: FloatArray,
    names: UInt64Array,
    tolerance: FloatArray,
    most: int,
    earlier: Int64Array,
    differs: Int64Array,
) -> None:
    """Note, for each row, the earliest of its neighbours in its block that it is near to."""
    for a in range(len(order)):
        for b in range(a + 1, min(a + 1 + NEIGHBOURS, len(order))):
            first, second = order[a], order[b]
            if key[first] != key[second]:
                break
            if first > second:
                first, second = second, first
            if earlier[second] >= 0 and earlier[second] <= first:
                continue
            differing, where = 0, -1
            for c in range(names.shape[1]):
                if names[first, c] != names[second, c]:
                    differing, where = differing + 1, numbers.shape[1] + c
                    if differing > most:
                        break
            if differing > most:
                continue
            for f in range(numbers.shape[1]):
                x, y = numbers[first, f], numbers[second, f]
                if x == y or abs(x - y) <= tolerance[f] or (np.isnan(x) and np.isnan(y)):
                    continue
                differing, where = differing + 1, f
                if differing > most:
                    break
            if differing <= most:
                earlier[second] = first
                differs[second] = where
