"""Distances between rows of mixed columns, and the nearest of many rows to each of some.

Gower's (1971): a number costs its difference in units of the training rows' robust range (2nd to 98th percentile,
at most 1), a name costs 1 where it differs, a missing value costs 1 against a known one; the sum over columns.

Shape legend: N, M rows, F columns.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.compiled import compiled
from synth.fidelity.frames import Column, Frame

Float32Array = npt.NDArray[np.float32]
_LOW, _HIGH = 0.02, 0.98


@dataclass(frozen=True, slots=True)
class Space:
    """The units of distance, from training rows."""

    offset_F: npt.NDArray[np.float64]
    unit_F: npt.NDArray[np.float64]
    names_last: npt.NDArray[np.int64]
    """Places of the columns: numbers first, then names, those that tell most rows apart first."""
    numbers: int

    @classmethod
    def of(cls, train: Frame) -> "Space":
        """Units by the spread of each number; one that never varies costs nothing unless it differs."""
        ordered = np.array([column.ordered for column in train.columns])
        offset, unit = np.zeros(len(ordered)), np.ones(len(ordered))
        for place in np.flatnonzero(ordered):
            values = np.asarray(train.columns[place].values_N, dtype=np.float64)
            known = values[np.isfinite(values)]
            if len(known):
                offset[place], unit[place] = np.median(known), _unit(known)
        names = sorted(np.flatnonzero(~ordered), key=lambda place: _commonest_share(train.columns[place]))
        places = np.array([*np.flatnonzero(ordered), *names], dtype=np.int64)
        return cls(offset, unit, places, int(ordered.sum()))

    def rows(self, frame: Frame) -> tuple[Float32Array, npt.NDArray[np.int32]]:
        """Numbers in these units and codes of names, (N, numbers) and (N, names)."""
        numbers, names = self.names_last[: self.numbers], self.names_last[self.numbers :]
        scaled = np.empty((frame.rows, len(numbers)), dtype=np.float32)
        codes = np.empty((frame.rows, len(names)), dtype=np.int32)
        for i, place in enumerate(numbers):
            scaled[:, i] = np.clip(
                (frame.columns[place].values_N - self.offset_F[place]) / self.unit_F[place], -1e6, 1e6
            )
        for i, place in enumerate(names):
            codes[:, i] = frame.columns[place].values_N
        return scaled, codes


def _unit(known: npt.NDArray[np.float64]) -> float:
    """The robust range, or the whole range where most values are equal."""
    low, high = np.quantile(known, [_LOW, _HIGH])
    if high > low:
        return float(high - low)
    return float(np.ptp(known)) or 1.0


def _commonest_share(column: Column) -> float:
    return float(np.bincount(column.values_N.astype(np.int64)).max() / len(column.values_N))


def nearest(space: Space, rows: Frame, others: Frame) -> npt.NDArray[np.float64]:
    """The distance from each of `rows` to the nearest of `others`, (N,)."""
    scaled_a, codes_a = space.rows(rows)
    scaled_b, codes_b = space.rows(others)
    return _nearest(scaled_a, codes_a, scaled_b, codes_b)


@compiled
def _nearest(  # noqa: C901
    a_NF: Float32Array, ca_NF: npt.NDArray[np.int32], b_MF: Float32Array, cb_MF: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """Names first, since they cost whole units; a row is left as soon as it is farther than the nearest so far."""
    found = np.empty(a_NF.shape[0], dtype=np.float64)
    for i in range(a_NF.shape[0]):
        best = np.float32(np.inf)
        for j in range(b_MF.shape[0]):
            d = np.float32(0.0)
            for f in range(ca_NF.shape[1]):
                if ca_NF[i, f] != cb_MF[j, f]:
                    d += np.float32(1.0)
                    if d >= best:
                        break
            if d >= best:
                continue
            for f in range(a_NF.shape[1]):
                x, y = a_NF[i, f], b_MF[j, f]
                gap = abs(x - y)
                if gap <= np.float32(1.0):
                    d += gap
                elif not (np.isnan(x) and np.isnan(y)):
                    d += np.float32(1.0)
                if d >= best:
                    break
            if d < best:
                best = d
                if best == np.float32(0.0):
                    break
        found[i] = best
    return found
