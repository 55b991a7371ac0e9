"""Quantities: a robustly standardised input, and the bin of asinh((x − median) / scale) as the part to predict.

asinh is linear near the median and logarithmic far from it, so equal-width bins of it follow heavy tails without
being swallowed by them. A column of few distinct values has one bin a value instead.

Median, quartiles and the bins' range come from quantiles, so a few per cent of wild values in training move them
little. Values beyond the range cost log(rows of the edge bin + 1) plus `TAIL_INDEX` nats for every e-fold of
further distance: the tail of a Pareto distribution with that index. Fails to see: an unusual value inside a bin.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.channels.base import Channel, CodeArray, Float32Array, FloatArray, Outlook, Part, Rows
from detectors.channels.ranges import encode_ranges

BINS = 7
FEW_VALUES = 12
"""A column with at most this many distinct values gets one bin a value."""
TAIL_INDEX = 1.0
RANGE_SHARE = 0.005
"""Share of training rows left beyond the bins' range on either side."""
FAR = np.float32(1e30)
"""Standardised values are clipped here, so that every double stays finite in single precision."""
LOOK = (0.05, 0.95)


def as_float(values: pa.Array) -> FloatArray:
    """Doubles with NaN where missing; without a copy where the array allows it."""
    if values.type != pa.float64():
        values = pc.cast(values, pa.float64(), safe=False)
    if values.null_count:
        values = pc.fill_null(values, float("nan"))
    result: FloatArray = values.to_numpy(zero_copy_only=False)
    return result


def robust_scale(finite: FloatArray) -> float:
    """The interquartile range, or the narrowest wider range that is not zero; 1 for a constant column."""
    for share in (0.25, 0.1, 0.05, 0.01, 0.0):
        low, high = np.quantile(finite, [share, 1.0 - share])
        width = float(high / 2 - low / 2) * 2
        if 0.0 < width < np.inf:
            return width
    return 1.0


class NumericChannel(Channel):
    """A float64 or int64 column of kind numeric."""

    way = "numeric"

    def __init__(
        self,
        column: str,
        *,
        integer: bool,
        center: float,
        scale: float,
        values: Sequence[float],
        edges: Sequence[float],
        typical: Sequence[float],
        beyond: Sequence[float],
        counts: Sequence[float],
    ) -> None:
        self.column, self.integer, self.center, self.scale = column, integer, center, scale
        self.values = np.asarray(values, dtype=np.float64)
        """One bin a value, ascending; empty where bins are ranges."""
        self.edges = np.asarray(edges, dtype=np.float32)
        """Ends of the bins, standardised, ascending; empty where there is one bin a value."""
        self.typical = np.asarray(typical, dtype=np.float64)
        """The training median of each bin, in the column's units."""
        self.beyond = np.asarray(beyond, dtype=np.float64)
        """Training rows below the first and above the last edge."""
        counts_K = np.asarray(counts, dtype=np.float64)
        self.parts = (Part(counts_K=counts_K, pseudo_K=np.ones_like(counts_K), embedded=False),)
        self.missing = len(counts_K) - 1
        self.has_missing_input = bool(0 < counts_K[-1] < counts_K.sum())
        self.input_count = 1 + int(self.has_missing_input)

    @property
    def arrow_type(self) -> pa.DataType:
        """float64, or int64 for whole numbers."""
        return pa.int64() if self.integer else pa.float64()

    @classmethod
    def fit(cls, column: str, values: pa.Array) -> "NumericChannel":
        """Learn scale and bins from training values; a column without one value has only the class missing."""
        x_B = as_float(values)
        x_B = np.where(np.isfinite(x_B), x_B, np.nan)
        finite = x_B[~np.isnan(x_B)]
        if not len(finite):
            finite = np.zeros(1)
        center, scale = float(np.median(finite)), robust_scale(finite)
        distinct = np.unique(finite)
        few = len(distinct) <= FEW_VALUES
        ends = np.zeros(0) if few else _bin_ends(_standardise(finite, center, scale))
        blank = [0.0] * (len(distinct) + 1 if few else BINS + 1)
        shape: dict[str, Any] = {
            "integer": pa.types.is_integer(values.type),
            "center": center,
            "scale": scale,
            "values": distinct.tolist() if few else [],
            "edges": ends.tolist(),
        }
        draft = cls(column, **shape, typical=blank[:-1], beyond=[0.0, 0.0], counts=blank)
        return cls(column, **shape, **draft._tally(x_B))

    def _tally(self, x_B: FloatArray) -> dict[str, Any]:
        u_B = _standardise(x_B, self.center, self.scale)
        classes_B = self._classes(x_B, u_B)
        counts = np.bincount(classes_B, minlength=self.missing + 1)
        typical = [float(np.median(x_B[classes_B == k])) if counts[k] else self._middle(k) for k in range(self.missing)]
        beyond = [0.0, 0.0]
        if len(self.edges):
            beyond = [float(np.count_nonzero(u_B < self.edges[0])), float(np.count_nonzero(u_B > self.edges[-1]))]
        return {"typical": typical, "beyond": beyond, "counts": counts.astype(float).tolist()}

    def _middle(self, k: int) -> float:
        if len(self.values):
            return float(self.values[k])
        return float(np.sinh(np.arcsinh(self.edges[k : k + 2].astype(np.float64)).mean()) * self.scale + self.center)

    def write(self, values: pa.Array | None, rows: Rows) -> None:
        """Standardised value (and a missing flag where training had both) and the class; see the module's head."""
        if values is None:
            rows.codes_PB[:] = rows.classes_PB[:] = self.missing
            rows.inputs_IB[1:] = 1.0
            return
        x_B = as_float(values)
        if len(self.edges):
            self._write_ranges(x_B, rows)
            return
        u_B = _standardise(x_B, self.center, self.scale)
        classes_B = self._classes(x_B, u_B)
        rows.codes_PB[0] = rows.classes_PB[0] = classes_B
        self._charge(x_B, u_B, classes_B, rows.extra_PB[0])
        rows.inputs_IB[0] = u_B
        absent_B = np.isnan(u_B)
        if absent_B.any():
            rows.inputs_IB[0][absent_B] = 0.0
            if self.has_missing_input:
                rows.inputs_IB[1] = absent_B

    def _write_ranges(self, x_B: FloatArray, rows: Rows) -> None:
        """The same in one compiled pass, for a column whose bins are ranges."""
        missing = encode_ranges(
            x_B,
            self.center,
            self.scale,
            float(FAR),
            self.edges,
            self.parts[0].counts_K,
            self.beyond,
            TAIL_INDEX,
            rows.inputs_IB[0],
            rows.classes_PB[0],
            rows.extra_PB[0],
        )
        rows.codes_PB[0] = rows.classes_PB[0]
        if missing and self.has_missing_input:
            rows.inputs_IB[1] = np.isnan(x_B)

    def _classes(self, x_B: FloatArray, u_B: npt.NDArray[np.float32]) -> CodeArray:
        """The bin of each value; the nearest bin for a value that no bin holds."""
        if len(self.values):
            between = (self.values[:-1] + self.values[1:]) / 2
            classes_B = count_above(x_B, between)
        else:
            classes_B = count_above(u_B, self.edges[1:-1])
        absent_B = np.isnan(x_B)
        if absent_B.any():
            classes_B[absent_B] = self.missing
        return classes_B

    def _charge(
        self, x_B: FloatArray, u_B: npt.NDArray[np.float32], classes_B: CodeArray, extra_B: Float32Array
    ) -> None:
        """Nats for values of no bin, where there is one bin a value: such rows are rare, so only they are worked on."""
        nearest_B = np.take(self.values, classes_B, mode="clip")
        odd = np.flatnonzero((nearest_B != x_B) & (classes_B != self.missing))
        if len(odd):
            home_u = _standardise(self.values, self.center, self.scale)[classes_B[odd]]
            distance = np.abs(np.arcsinh(u_B[odd].astype(np.float64)) - np.arcsinh(home_u.astype(np.float64)))
            rows_of_class = self.parts[0].counts_K[classes_B[odd]] + 1.0
            extra_B[odd] = np.log(rows_of_class) + TAIL_INDEX * distance

    def read(self, rows: Rows) -> pa.Array:
        """Values to single precision of their distance from the median; missing ones null."""
        x_B = rows.inputs_IB[0].astype(np.float64) * self.scale + self.center
        x_B = np.rint(x_B) if self.integer else x_B
        return pa.array(x_B, mask=rows.codes_PB[0] == self.missing).cast(self.arrow_type, safe=False)

    def outlook(self, chances: Sequence[FloatArray]) -> Outlook:
        """The median of the likeliest bin, and the 5–95 % range of the distribution over bins."""
        return self.outlooks([chances[0][:, None]])[0]

    def outlooks(self, chances: Sequence[npt.NDArray[Any]]) -> list[Outlook]:
        """Many rows at once."""
        chance_KB = chances[0][: self.missing].astype(np.float64)
        best_B = np.argmax(chance_KB, axis=0)
        absent_B = np.take_along_axis(chance_KB, best_B[None], axis=0)[0] < chances[0][self.missing]
        below_KB = np.cumsum(chance_KB, axis=0) / np.maximum(chance_KB.sum(axis=0), np.finfo(np.float64).tiny)
        low_B, high_B = (self._quantile(below_KB, share) for share in LOOK)
        expected_B = self.typical[best_B]
        found = zip(absent_B, expected_B, np.minimum(low_B, expected_B), np.maximum(high_B, expected_B), strict=True)
        return [
            Outlook(expected=None)
            if absent
            else Outlook(expected=self._tidy(expected), low=self._tidy(low), high=self._tidy(high))
            for absent, expected, low, high in found
        ]

    def _quantile(self, below_KB: FloatArray, share: float) -> FloatArray:
        """The value below which a share of each row's distribution lies, (B,); bins are even in asinh."""
        at_B = np.minimum((below_KB < share).sum(axis=0), len(below_KB) - 1)
        if len(self.values):
            few: FloatArray = self.values[at_B]
            return few
        before_KB = np.vstack([np.zeros(below_KB.shape[1]), below_KB])
        start_B, stop_B = (np.take_along_axis(before_KB, (at_B + step)[None], axis=0)[0] for step in (0, 1))
        within_B = np.clip((share - start_B) / np.maximum(stop_B - start_B, np.finfo(np.float64).tiny), 0.0, 1.0)
        ends = np.arcsinh(self.edges.astype(np.float64))
        found: FloatArray = np.sinh(ends[at_B] + within_B * (ends[at_B + 1] - ends[at_B])) * self.scale + self.center
        return found

    def _tidy(self, x: float) -> float:
        x = float(x)
        return float(round(x)) if self.integer and abs(x) < 1e15 else float(f"{x:.6g}")

    def note(self, value: Any) -> str:
        """ "missing", or where the value lies outside everything training showed."""
        if value is None or np.isnan(value):
            return "missing"
        u = _standardise(np.array([value], dtype=np.float64), self.center, self.scale)[0]
        if len(self.values):
            return "" if value in self.values else "never seen in training"
        if u < self.edges[0]:
            return "below nearly all of training"
        return "above nearly all of training" if u > self.edges[-1] else ""

    def document(self) -> dict[str, Any]:
        """Everything the channel is, as JSON."""
        return {
            "integer": self.integer,
            "center": self.center,
            "scale": self.scale,
            "values": self.values.tolist(),
            "edges": self.edges.astype(np.float64).tolist(),
            "typical": self.typical.tolist(),
            "beyond": self.beyond.tolist(),
            "counts": self.parts[0].counts_K.tolist(),
        }


def count_above(x_B: npt.NDArray[Any], edges: npt.NDArray[Any]) -> CodeArray:
    """How many ascending edges each value lies above; faster than a search where edges are few."""
    count_B = np.zeros(len(x_B), dtype=np.uint8)
    over_B = np.empty(len(x_B), dtype=np.bool_)
    for edge in edges:
        np.greater(x_B, edge, out=over_B)
        count_B += over_B.view(np.uint8)
    return count_B.astype(np.int16)


def _standardise(x_B: FloatArray, center: float, scale: float) -> npt.NDArray[np.float32]:
    """(x − center) / scale in single precision, clipped to ±`FAR`; NaN stays NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        wide_B = np.subtract(x_B, center)
        wide_B /= scale
        np.clip(wide_B, -FAR, FAR, out=wide_B)
        return wide_B.astype(np.float32)


def _bin_ends(u_B: npt.NDArray[np.float32]) -> FloatArray:
    """Ends of `BINS` equal-width bins of asinh(u) over the range that holds all but the wildest rows."""
    low, high = np.quantile(np.arcsinh(u_B.astype(np.float64)), [RANGE_SHARE, 1.0 - RANGE_SHARE])
    if not low < high:
        low, high = float(np.arcsinh(u_B.min())), float(np.arcsinh(u_B.max()))
    ends: FloatArray = np.sinh(np.linspace(low, high, BINS + 1))
    return ends
