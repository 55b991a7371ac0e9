"""Numbers: frequent values are classes of their own, the others fall into ranges of about equally many rows.

Within a range, values are drawn from a smoothed quantile function and put on the column's grid (integers, cents), so no
rare value of the training table is handed out again but by chance of the grid. Borders are means of several rows, too.

Shape legend: N rows, K classes, P values with a class of their own, R ranges.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synth.codec.column import Allowed, BoolArray, CodeArray, ColumnCodec, FloatArray
from synth.codec.quantiles import grid_step, smoothed_knots
from synth.conditions import Condition, Operator
from synth.errors import ImpossibleConditionsError


@dataclass(frozen=True, slots=True)
class Range:
    """One class that holds many values."""

    levels: FloatArray
    values: FloatArray
    """Knots of the smoothed quantile function; the first and last are the range's borders."""


class NumberCodec(ColumnCodec):
    """See the module's head. `point_K` holds the value of each class that is one value, NaN for ranges."""

    way: ClassVar[str] = "number"

    def __init__(
        self, column: str, *, counts: FloatArray, points: FloatArray, ranges: dict[int, Range], step: float,
        integer: bool, has_missing: bool, edges: FloatArray,
    ) -> None:  # fmt: skip
        self.column, self.counts_K, self.has_missing = column, counts, has_missing
        self.point_K, self.ranges, self.step, self.integer = points, ranges, step, integer
        self.edges = edges
        """Borders between neighbouring ranges, ascending (R − 1,)."""
        self._range_classes = np.array(sorted(ranges), dtype=np.int32)
        own = np.flatnonzero(~np.isnan(points))
        self._own = own[np.argsort(points[own])].astype(np.int32)

    @classmethod
    def fit(
        cls,
        column: str,
        values: pa.Array,
        *,
        bins: int,
        most_points: int,
        own_share: float,
        least_range_rows: float,
        least_rows: int,
    ) -> Self:
        """Learn the classes of a float64 or int64 column."""
        x = _numbers(values)
        missing = int(np.isnan(x).sum())
        integer, x = pa.types.is_integer(values.type), np.sort(x[~np.isnan(x)])
        unique, counts = np.unique(x, return_counts=True)
        share = len(x) / bins
        if len(unique) <= most_points:
            own = counts >= least_rows
        else:  # heavy values first; what is left is cut more finely, and what is heavy in that light comes next
            own = counts >= max(least_rows, own_share * share)
            share = max(float(least_rows), counts[~own].sum() / bins, min(share, least_range_rows))
            own |= counts >= max(least_rows, own_share * share)
        rest = x[~own[np.searchsorted(unique, x)]] if len(x) else x
        if len(rest) < least_rows and own.any():
            rest = rest[:0]  # too few for a range: they join the nearest value
        cuts = _cuts(rest, share, least_rows)
        parts = [part for part in np.split(rest, cuts) if len(part)]
        step = grid_step(unique) if len(unique) else 1.0
        return cls._ordered(column, unique[own], counts[own], parts, step, integer, missing, x, least_rows)

    @classmethod
    def _ordered(
        cls, column: str, own: FloatArray, own_counts: Any, parts: list[FloatArray], step: float, integer: bool,
        missing: int, x: FloatArray, least: int,
    ) -> Self:  # fmt: skip
        """Classes in the order of their values."""
        edges = np.array([(a[-1] + b[0]) / 2.0 for a, b in pairwise(parts)])
        lows = np.concatenate([[parts[0][:least].mean()], edges]) if parts else np.zeros(0)
        highs = np.concatenate([edges, [parts[-1][-least:].mean()]]) if parts else np.zeros(0)
        centres = np.concatenate([own, [part.mean() for part in parts]])
        order = np.argsort(centres, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        points = np.full(len(order), np.nan)
        points[place[: len(own)]] = own
        ranges = {
            int(place[len(own) + r]): Range(*smoothed_knots(part, lows[r], highs[r], least=least))
            for r, part in enumerate(parts)
        }
        made = cls(
            column, counts=np.zeros(len(order)), points=points, ranges=ranges, step=step, integer=integer,
            has_missing=False, edges=edges,
        )  # fmt: skip
        codes = made._codes(x)
        made.counts_K = np.bincount(codes, minlength=len(order)).astype(np.float64)
        if missing or not len(order):
            made.counts_K = np.append(made.counts_K, float(missing))
            made.point_K = np.append(made.point_K, np.nan)
            made.has_missing = True
        return made

    @property
    def position_K(self) -> FloatArray | None:
        """Classes evenly spaced: one heavy value must not push all others together."""
        classes = self.classes - self.has_missing
        middles = (np.arange(classes) + 0.5) / max(1, classes)
        return np.append(middles, np.nan) if self.has_missing else middles

    @property
    def own_K(self) -> BoolArray:
        """Single values and "missing"; a range is much like the ranges beside it."""
        own = ~np.isnan(self.point_K)
        own[-1] |= self.has_missing
        return own

    def encode(self, values: pa.Array) -> CodeArray:
        """See `ColumnCodec.encode`."""
        x = _numbers(values)
        missing = np.isnan(x)
        if missing.any() and not self.has_missing:
            raise ImpossibleConditionsError(f"{self.column!r} was never missing in training: give it a value")
        codes = np.full(len(x), self.classes - 1, dtype=np.int32)
        if not missing.all():
            codes[~missing] = self._codes(x[~missing])
        return codes

    def _codes(self, x: FloatArray) -> CodeArray:
        codes = np.zeros(len(x), dtype=np.int32)
        if len(self._range_classes):
            codes = self._range_classes[np.searchsorted(self.edges, x)]
        if len(self._own):
            at = np.searchsorted(self.point_K[self._own], x)
            near = self._own[np.clip(at, 0, len(self._own) - 1)]
            if len(self._range_classes):
                return np.where(self.point_K[near] == x, near, codes).astype(np.int32)
            below = self._own[np.clip(at - 1, 0, len(self._own) - 1)]
            return np.where(np.abs(self.point_K[below] - x) < np.abs(self.point_K[near] - x), below, near)
        return codes

    def decode(self, codes_N: CodeArray, generator: np.random.Generator, allowed: Allowed | None = None) -> pa.Array:
        """See `ColumnCodec.decode`."""
        x = self.point_K[codes_N]
        draw = generator.random(len(x))
        low, high = (allowed.low, allowed.high) if allowed is not None else (-np.inf, np.inf)
        order = np.argsort(codes_N, kind="stable")
        starts = np.searchsorted(codes_N[order], np.arange(self.classes + 1))
        for code, part in self.ranges.items():
            at = order[starts[code] : starts[code + 1]]
            least, most = _levels_between(part, low, high)
            x[at] = np.interp(least + (most - least) * draw[at], part.levels, part.values)
        return self._finished(x, low, high)

    def _finished(self, x: FloatArray, low: float, high: float) -> pa.Array:
        """Values on the grid, within the bounds asked for; NaN is missing."""
        if self.step > 0.0:
            whole = np.round(x / self.step)
            whole = np.where(whole * self.step < low, np.ceil(low / self.step), whole)
            whole = np.where(whole * self.step > high, np.floor(high / self.step), whole)
            digits = max(0, round(-np.log10(self.step)) + 1) if self.step < 1.0 else 0
            x = np.round(whole * self.step, digits)
        missing = np.isnan(x)
        if self.integer:
            return pa.array(np.where(missing, 0.0, np.round(x)).astype(np.int64), mask=missing)
        return pa.array(x, mask=missing)

    def allowed(self, condition: Condition) -> Allowed:
        """See `ColumnCodec.allowed`."""
        if condition.operator in (Operator.EQUAL, Operator.UNEQUAL):
            return self._one_of(condition)
        bound = _number(condition, condition.values[0])
        inclusive = condition.operator in (Operator.AT_LEAST, Operator.AT_MOST)
        nudge = 0.0 if inclusive else (self.step or 1e-9 * max(1.0, abs(bound)))
        above = condition.operator in (Operator.GREATER, Operator.AT_LEAST)
        low, high = (bound + nudge, np.inf) if above else (-np.inf, bound - nudge)
        return Allowed(self.weights_between(low, high), low, high)

    def weights_between(self, low: float, high: float) -> FloatArray:
        """The share of each class's rows between two bounds, (K,)."""
        weight = ((self.point_K >= low) & (self.point_K <= high)).astype(np.float64)
        for code, part in self.ranges.items():
            least, most = _levels_between(part, low, high)
            weight[code] = max(0.0, most - least)
        return weight

    def _one_of(self, condition: Condition) -> Allowed:
        weight, bounds = np.zeros(self.classes), (-np.inf, np.inf)
        for value in condition.values:
            if value == "null":
                weight[-1] = 1.0 if self.has_missing else 0.0
                continue
            number = _number(condition, value)
            code = int(self._codes(np.array([number]))[0]) if len(self.point_K) > self.has_missing else 0
            if self.point_K[code] == number:
                weight[code] = 1.0
            elif condition.operator is Operator.EQUAL and code in self.ranges:
                if len(condition.values) > 1:
                    raise ImpossibleConditionsError(
                        f"{condition}: {value} is too rare to be asked for beside others: ask for a range of values"
                    )
                half = (self.step or 1e-9 * max(1.0, abs(number))) / 2.0
                weight, bounds = self.weights_between(number - half, number + half), (number, number)
        if condition.operator is Operator.EQUAL:
            return Allowed(weight, *bounds)
        return Allowed(1.0 - weight)

    def document(self) -> dict[str, Any]:
        """Everything the codec is, as JSON."""
        return {
            "counts": self.counts_K.tolist(),
            "points": [None if np.isnan(point) else point for point in self.point_K.tolist()],
            "ranges": {str(k): [r.levels.tolist(), r.values.tolist()] for k, r in self.ranges.items()},
            "step": self.step,
            "integer": self.integer,
            "has_missing": self.has_missing,
            "edges": self.edges.tolist(),
        }

    @classmethod
    def from_document(cls, column: str, document: dict[str, Any]) -> Self:
        """The codec that `document` described."""
        ranges = {int(k): Range(np.array(r[0]), np.array(r[1])) for k, r in document["ranges"].items()}
        return cls(
            column,
            counts=np.array(document["counts"], dtype=np.float64),
            points=np.array([np.nan if p is None else p for p in document["points"]], dtype=np.float64),
            ranges=ranges,
            step=document["step"],
            integer=document["integer"],
            has_missing=document["has_missing"],
            edges=np.array(document["edges"], dtype=np.float64),
        )


def _levels_between(part: Range, low: float, high: float) -> tuple[float, float]:
    """The levels at which a range's function passes two bounds; equal where nothing lies between."""
    least = 0.0 if low <= part.values[0] else float(np.interp(low, part.values, part.levels))
    most = 1.0 if high >= part.values[-1] else float(np.interp(high, part.values, part.levels))
    if low > part.values[-1] or high < part.values[0]:
        return least, least
    return least, max(least, most)


def _numbers(values: pa.Array) -> FloatArray:
    """float64, NaN where missing or not finite; a copy."""
    found = np.array(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)
    found[~np.isfinite(found)] = np.nan
    return found


def _cuts(rest: FloatArray, share: float, least_rows: int) -> list[int]:
    """Where the sorted rest is cut into ranges: at quantiles, never between equal values, never leaving too few."""
    cuts: list[int] = []
    if not len(rest):
        return cuts
    for at in np.round(np.arange(1, max(1, round(len(rest) / share))) * share).astype(int).tolist():
        cut = int(np.searchsorted(rest, rest[min(at, len(rest) - 1)], side="left"))
        if cut - (cuts[-1] if cuts else 0) >= least_rows and len(rest) - cut >= least_rows:
            cuts.append(cut)
    return cuts


def _number(condition: Condition, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ImpossibleConditionsError(f"{condition}: {text!r} is not a number, and the column is: give one") from None
