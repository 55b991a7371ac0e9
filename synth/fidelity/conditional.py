"""Fidelity under conditions: what `--where` gives against the real rows that match, and shapes within each class.

A generator can have every marginal right and give the same rows whatever is asked of it; these measures see that.

Shape legend: N rows.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.columns import Kind
from synth.conditions import Condition, Conditions
from synth.fidelity.frames import Column, Frame, frames, kind_or_guess
from synth.fidelity.intervals import NOT_KNOWN
from synth.fidelity.shapes import shapes_of
from synth.preparation.matching import MISSING, fitting
from synth.preparation.plain import casting_of, to_plain

LEAST_CLASS_ROWS = 30
"""Of real and of synthetic rows, for a class to count."""
MOST_CLASSES = 50


def matching(table: pa.Table, conditions: Conditions, *, seed: int = 0) -> pa.Table:
    """The rows that meet every condition; with `balance`, as many of each level, a seeded choice of the frequent ones,
    and none without a level.

    Raises ImpossibleConditionsError for a value that the column's type cannot have.
    """
    kept = np.ones(table.num_rows, dtype=np.bool_)
    for condition in conditions.where:
        kept &= _met(table, condition)
    if conditions.balance is not None:
        kept &= table[conditions.balance].is_valid().to_numpy()
    rows = np.flatnonzero(kept)
    if conditions.balance is not None and len(rows):
        rows = rows[_balanced(table[conditions.balance].take(rows), seed)]
    return table.take(rows)


def class_shapes(real: pa.Table, synthetic: pa.Table, *, label: str) -> dict[str, float]:
    """The mean shape of the other columns within each class of `label` that enough rows of both have."""
    return class_shapes_of(*frames(real, synthetic), label=label)


def class_shapes_of(real: Frame, synthetic: Frame, *, label: str) -> dict[str, float]:
    """As `class_shapes`, of frames encoded together; the most frequent classes where there are very many. Empty for a
    label of numbers."""
    column = real.column(label)
    if column.ordered or len(real.columns) == 1:
        return {}
    counts = [_counts(frame.column(label)) for frame in (real, synthetic)]
    common = np.argsort(-counts[0], kind="stable")[:MOST_CLASSES]
    found = {}
    for code in np.sort(common[np.minimum(*counts)[common] >= LEAST_CLASS_ROWS]):
        r, s = (f.take(np.flatnonzero(f.column(label).values_N == code)).without([label]) for f in (real, synthetic))
        level = column.levels[code]
        found[MISSING if level is None else level] = float(np.mean(list(shapes_of(r, s).values())))
    return found


def mean_class_shape(real: Frame, synthetic: Frame, *, label: str) -> float:
    """The mean over classes, each counting the same; NaN where there are fewer than two."""
    found = class_shapes_of(real, synthetic, label=label)
    return float(np.mean(list(found.values()))) if len(found) > 1 else NOT_KNOWN


def _counts(column: Column) -> npt.NDArray[np.int64]:
    return np.bincount(column.values_N.astype(np.int64), minlength=len(column.levels))


def _met(table: pa.Table, condition: Condition) -> npt.NDArray[np.bool_]:
    """Which rows meet one condition, by the rule that generators go by."""
    column, field = table[condition.column], table.schema.field(condition.column)
    return fitting(to_plain(column, field, casting_of(column, field)), condition, field)


def _balanced(values: pa.ChunkedArray, seed: int) -> npt.NDArray[np.int64]:
    """Places of as many rows of each level as the rarest one has."""
    codes = values.combine_chunks().dictionary_encode().indices.to_numpy()
    least = int(np.bincount(codes).min())
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    kept = [shuffled[codes[shuffled] == code][:least] for code in np.unique(codes)]
    return np.sort(np.concatenate(kept))


def can_be_balanced(table: pa.Table, column: str) -> bool:
    """Whether a column has levels rather than quantities."""
    return kind_or_guess(table.schema.field(column), table[column]) in (Kind.CATEGORICAL, Kind.BOOLEAN)
