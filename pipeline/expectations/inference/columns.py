"""What is expected of one column, from what its windows show.

Of personal columns nothing is written that has a value in it: types, missing shares and repeats only. Of labels only
what they look like, not how often each occurs: faults come in bursts, and that is no fault of the data.
"""

import math
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role, roles_of
from pipeline.expectations.asked import Asked, What
from pipeline.expectations.column_measures import LEAST_ROWS, ColumnView
from pipeline.expectations.inference.parts import ColumnReference, Reference
from pipeline.expectations.inference.rounding import down, up
from pipeline.expectations.suite import ColumnSuite, Levels, Limits, Quantiles, ShareBetween
from pipeline.expectations.tolerance import Scale, bounds
from pipeline.expectations.window import FloatArray

MOST_LEVELS, MOST_FREQUENT = 60, 20
_PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
_BESIDE = 0.5
"""A quantile may be what its neighbours are, this part of the way to the nearer end of the distribution: between two
heaps of values it jumps."""
_REACH = 10.0
"""Impossible is what lies so many times further out than the outermost thousandth."""
_LEAST_SHARE, _LEAST_RARE, _LEAST_MOVED, _LEAST_RATIO = 0.01, 0.002, 0.05, 1.5
"""Widths worth telling anyone: of shares, of shares that are usually 0, of moved shares, of quantiles."""


def column_suite(reference: Reference, column: str) -> tuple[ColumnSuite, dict[str, str]]:
    """The entries of one column, and a comment for each."""
    found = ColumnReference.of(reference, column)
    view = found.whole
    field = reference.whole.field(column)
    roles, kind = roles_of(field), reference.whole.kind(column)
    entries: dict[str, object] = {"type": str(view.arrow_type)}
    comments: dict[str, str] = {}
    _put(entries, comments, "missing", _share(found, column, What.MISSING, _LEAST_SHARE))
    if Role.ID in roles:
        _put(entries, comments, "repeated", _rare(found, column, What.REPEATED))
    if Role.PERSONAL in roles or len(view.missing) - int(view.missing.sum()) < LEAST_ROWS:
        return ColumnSuite.model_validate(entries), comments
    if kind is Kind.BOOLEAN and Role.LABEL not in roles:
        _put(entries, comments, "true", _share(found, column, What.TRUE, _LEAST_SHARE))
    elif kind in (Kind.CATEGORICAL, Kind.TEXT) and Role.ID not in roles:
        _names(found, column, entries, comments, moves=Role.LABEL not in roles)
    numeric = kind is Kind.NUMERIC or (kind is Kind.CATEGORICAL and "levels" not in entries)
    if view.is_numeric and numeric and not roles & {Role.ID, Role.LABEL}:
        _numbers(found, column, entries, comments)
    return ColumnSuite.model_validate(entries), comments


def _numbers(found: ColumnReference, column: str, entries: dict[str, object], comments: dict[str, str]) -> None:
    zeros = float(np.mean(found.whole.known == 0.0))
    if 0.0005 < zeros < 1.0:
        _put(entries, comments, "zeros", _share(found, column, What.ZEROS, _LEAST_SHARE))
    if moves_with_time(found):
        comments["type"] = "its values rise or fall with time, so nothing is expected of where they lie"
        return
    low, high = _possible(found.whole.known)
    asked = Asked(name="", entry="", column=column, what=What.LIMITS, low=low, high=high)
    outside = found.bounds(asked, Scale.SHARE, least_width=_LEAST_RARE)
    if outside is not None:
        entries["limits"] = Limits(least=low, most=high, beyond=up(outside[0].most, 2))
    at = {f"{p:g}": _quantile(found, p) for p in _PROBABILITIES}
    entries["quantiles"] = Quantiles(at={p: pair for p, pair in at.items() if pair is not None})
    middle = float(np.median(found.whole.known))
    comments["quantiles"] = f"median {middle:.4g}"


def moves_with_time(found: ColumnReference) -> bool:
    """Whether medians of windows rise or fall all along: counters, and numbers given out in order."""
    medians = found.values(lambda known: float(np.median(known)))
    medians = medians[np.isfinite(medians)]
    if len(medians) < 6:
        return False
    ranks = np.argsort(np.argsort(medians, kind="stable"), kind="stable")
    rank_correlation = abs(float(np.corrcoef(np.arange(len(ranks)), ranks)[0, 1]))
    spread = float(np.median(found.values(lambda known: float(np.subtract(*np.quantile(known, [0.9, 0.1]))))))
    return rank_correlation > 0.95 and float(np.ptp(medians)) > 0.5 * spread


def _possible(known: FloatArray) -> tuple[float, float]:
    low, middle, high = (float(v) for v in np.quantile(known, [0.001, 0.5, 0.999], method="closest_observation"))
    reach = max(high - low, abs(middle), 1e-9)
    least, most = low - _REACH * max(middle - low, 0.1 * reach), high + _REACH * max(high - middle, 0.1 * reach)
    if float(known.min()) >= 0.0:
        least = 0.0
    elif float(known.max()) <= 0.0:
        most = 0.0
    return down(least, 2), up(most, 2)


def _quantile(found: ColumnReference, probability: float) -> tuple[float, float] | None:
    beside = _BESIDE * min(probability, 1.0 - probability)
    ends = [
        found.values(lambda known, p=p: float(np.quantile(known, p, method="nearest")))  # type: ignore[misc]
        for p in (probability - beside, probability + beside)
    ]
    if not np.isfinite(ends[0]).any():
        return None
    scale = Scale.POSITIVE if min(np.nanmin(end) for end in ends) > 0 else Scale.PLAIN
    spread = float(np.subtract(*np.quantile(found.whole.known, [0.95, 0.05])))
    width = _LEAST_RATIO if scale is Scale.POSITIVE else 0.25 * spread
    low, high = (bounds(end, scale=scale, chance=found.reference.chance, least_width=width) for end in ends)
    return down(low.least, 3), up(high.most, 3)


def _names(
    found: ColumnReference, column: str, entries: dict[str, object], comments: dict[str, str], *, moves: bool
) -> None:
    levels, counts = found.whole.counts
    shares = known_shares(levels, counts)
    listed = len(levels) <= MOST_LEVELS
    if not listed:
        frequent = sorted(shares.items(), key=lambda item: -item[1])[:MOST_FREQUENT]
        shares = {level: share for level, share in frequent if share >= 0.01}
        if pa.types.is_string(found.whole.arrow_type) or pa.types.is_large_string(found.whole.arrow_type):
            entries["lengths"] = _lengths(found.whole)
    if not shares or (not listed and sum(shares.values()) < 0.05):
        return
    unseen = _most(found, column, What.UNSEEN, shares, Scale.SHARE, _LEAST_SHARE) if listed else None
    moved = _most(found, column, What.MOVED, shares, Scale.SHARE, _LEAST_MOVED) if moves else None
    if unseen is not None or moved is not None:
        entries["levels"] = Levels(known=shares, unseen=unseen, moved=moved)
        comments["levels"] = f"{len(levels):,} names seen" + ("" if listed else ", the most frequent are listed")


def known_shares(levels: list[str], counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, float]:
    """Shares by level, the most frequent first; of very rare ones only that they are known."""
    total = max(1, int(counts.sum()))
    order = sorted(range(len(levels)), key=lambda at: (-int(counts[at]), levels[at]))
    return {levels[at]: float(f"{counts[at] / total:.4g}") for at in order}


def _lengths(view: ColumnView) -> Limits:
    lengths = np.array([len(level) for level in view.counts[0]])
    low, high = int(lengths.min()), int(lengths.max())
    return Limits(least=max(0, low - 1), most=high + max(2, (high - low) // 2), beyond=_LEAST_SHARE)


def _most(
    found: ColumnReference, column: str, what: What, levels: Mapping[str, float], scale: Scale, width: float
) -> float | None:
    asked = Asked(name="", entry="", column=column, what=what, levels=levels)
    seen = found.bounds(asked, scale, least_width=width)
    return None if seen is None else up(min(1.0, seen[0].most), 2)


def _share(found: ColumnReference, column: str, what: What, width: float) -> tuple[ShareBetween, str] | None:
    seen = found.bounds(Asked(name="", entry="", column=column, what=what), Scale.SHARE, least_width=width)
    if seen is None:
        return None
    least = down(seen[0].least, 2)
    entry = ShareBetween(least=least if least > 0 else None, most=min(1.0, up(seen[0].most, 2)))
    return entry, f"seen {seen[1]:.2g}"


def _rare(found: ColumnReference, column: str, what: What) -> tuple[ShareBetween, str] | None:
    seen = found.bounds(Asked(name="", entry="", column=column, what=what), Scale.SHARE, least_width=_LEAST_RARE)
    if seen is None:
        return None
    return ShareBetween(most=min(1.0, up(seen[0].most, 2))), f"seen {seen[1]:.2g}"


def _put(
    entries: dict[str, object], comments: dict[str, str], name: str, found: tuple[ShareBetween, str] | None
) -> None:
    if found is not None and not math.isnan(found[0].most or 0.0):
        entries[name], comments[name] = found
