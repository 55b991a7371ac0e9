"""The grid a numeric column lies on, and exact numbers on it: what makes a recomputed value equal to the last bit.

A number on a decimal grid is `k / 10^decimals` for an integer k; dividing gives the nearest double, which is what
reading the decimal gives. Times are counted in ticks that all time columns of the table share.

Shape legend: N rows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synth.preparation.frame import BoolArray, FloatArray

MOST_DECIMALS = 6
EXACT = 2.0**53
"""Integers beyond it are not all doubles."""
_FIRST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Which numbers a column can hold."""

    decimals: int | None = None
    """Digits behind the point; None where values have more than 6."""
    single: bool = False
    """32-bit numbers: rounded to those last."""
    whole: bool = False
    """The plain column is int64."""
    multiplier: int = 1
    divider: int = 1
    """A time's number in ticks is its plain value times `multiplier` / `divider`."""
    step: int = 1
    """Ticks that every time of the column is a multiple of; 1 for other numbers."""

    def numbers(self, array: pa.Array) -> FloatArray:
        """A plain column as doubles free of 32-bit noise, NaN where it is missing, (N,)."""
        values = np.array(pc.cast(array, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
        if self.divider > 1:
            whole = array.fill_null(0).to_numpy(zero_copy_only=False) // self.divider
            values = np.where(np.isnan(values), np.nan, whole.astype(np.float64))
        if self.multiplier > 1:
            values = values * self.multiplier
        return self._on_grid(values, np.rint) if self.single and self.decimals is not None else values

    def snapped(self, values: FloatArray, *, up: bool = False) -> FloatArray:
        """The nearest numbers of the grid, or with `up` the nearest that are not smaller, as `numbers` gives them."""
        return self._on_grid(values, _upward if up else np.rint)

    def array(self, numbers: FloatArray) -> pa.Array:
        """Numbers as the plain column, NaN as missing."""
        missing: BoolArray = np.isnan(numbers)
        if not self.whole:
            held = numbers.astype(np.float32).astype(np.float64) if self.single else numbers
            return pa.array(held, mask=missing)
        limit = 2.0**63 - 1024.0 if self.divider == 1 else (2.0**63 - 1024.0) / self.divider
        plain = np.clip(np.rint(np.where(missing, 0.0, numbers)), -limit, limit).astype(np.int64)
        if self.multiplier > 1:
            plain = plain // self.multiplier
        return pa.array(plain * self.divider, mask=missing)

    def _on_grid(self, values: FloatArray, rounded: Callable[[FloatArray], FloatArray]) -> FloatArray:
        if self.step > 1:
            return np.asarray(rounded(values / self.step) * self.step, dtype=np.float64)
        if self.decimals is None:
            return values.astype(np.float32).astype(np.float64) if self.single else values
        scale = 10.0**self.decimals
        return np.asarray(rounded(values * scale) / scale, dtype=np.float64)


def grid_of(array: pa.Array, *, single: bool) -> Grid:
    """The coarsest decimal grid that all values of a plain numeric column lie on."""
    if array.type == pa.int64():
        return Grid(decimals=0, whole=True)
    values = np.asarray(array.drop_null().to_numpy(zero_copy_only=False), dtype=np.float64)
    kept = values.astype(np.float32) if single else values
    for decimals in range(MOST_DECIMALS + 1):
        if all(_lie_on(values[part], kept[part], decimals) for part in (slice(_FIRST), slice(None))):
            return Grid(decimals=decimals, single=single)
    return Grid(single=single)


def time_grid(unit_nanoseconds: int, tick_nanoseconds: int, grid_units: int) -> Grid:
    """The grid of a time column in ticks; `grid_units` of its own unit lie between its moments at least."""
    ratio = math.gcd(unit_nanoseconds, tick_nanoseconds)
    multiplier, divider = unit_nanoseconds // ratio, tick_nanoseconds // ratio
    return Grid(
        decimals=0, whole=True, multiplier=multiplier, divider=divider, step=max(grid_units * multiplier // divider, 1)
    )


def _lie_on(values: FloatArray, kept: npt.NDArray[np.floating[Any]], decimals: int) -> bool:
    scale = 10.0**decimals
    with np.errstate(over="ignore", invalid="ignore"):
        counts = np.rint(values * scale)
        fits = (np.abs(counts) < EXACT) & ((counts / scale).astype(kept.dtype) == kept)
    return bool(fits.all())


def _upward(values: FloatArray) -> FloatArray:
    """Up to the next integer, but for what is one already but for rounding."""
    near = np.rint(values)
    return np.where(np.abs(values - near) <= 1e-6 * np.maximum(1.0, np.abs(near) * 1e-6), near, np.ceil(values))
