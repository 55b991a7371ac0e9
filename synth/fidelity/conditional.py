"""Fidelity under conditions: what `--where` gives against the real rows that match, and shapes within each class.

A generator can have every marginal right and give the same rows whatever is asked of it; these measures see that.

Shape legend: N rows.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from synth.conditions import Condition, Conditions, Operator
from synth.errors import ImpossibleConditionsError
from synth.fidelity.frames import Column, Frame, frames, kind_or_guess
from synth.fidelity.intervals import NOT_KNOWN
from synth.fidelity.shapes import shapes_of

LEAST_CLASS_ROWS = 30
"""Of real and of synthetic rows, for a class to count."""
MOST_CLASSES = 50
_MISSING = "null"
_COMPARISONS = {
    Operator.GREATER: pc.greater,
    Operator.AT_LEAST: pc.greater_equal,
    Operator.LESS: pc.less,
    Operator.AT_MOST: pc.less_equal,
}


def matching(table: pa.Table, conditions: Conditions, *, seed: int = 0) -> pa.Table:
    """The rows that meet every condition; with `balance`, as many of each level, a seeded choice of the frequent ones.

    Raises ImpossibleConditionsError for a value that the column's type cannot have.
    """
    kept = np.ones(table.num_rows, dtype=np.bool_)
    for condition in conditions.where:
        kept &= _met(table, condition)
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
        found[_MISSING if level is None else level] = float(np.mean(list(shapes_of(r, s).values())))
    return found


def mean_class_shape(real: Frame, synthetic: Frame, *, label: str) -> float:
    """The mean over classes, each counting the same; NaN where there are fewer than two."""
    found = class_shapes_of(real, synthetic, label=label)
    return float(np.mean(list(found.values()))) if len(found) > 1 else NOT_KNOWN


def _counts(column: Column) -> npt.NDArray[np.int64]:
    return np.bincount(column.values_N.astype(np.int64), minlength=len(column.levels))


def _met(table: pa.Table, condition: Condition) -> npt.NDArray[np.bool_]:
    """Which rows meet one condition; missing values meet only `= null` and `!=` of anything but null."""
    texts = [value for value in condition.values if value != _MISSING]
    values, asked = _comparable(table[condition.column].combine_chunks(), texts, condition)
    if condition.operator in _COMPARISONS:
        met = _COMPARISONS[condition.operator](values, asked[0])
    else:
        known = pa.array([scalar.as_py() for scalar in asked], values.type)
        met = pc.or_(pc.is_in(values, known), pc.and_(values.is_null(), pa.scalar(len(texts) < len(condition.values))))
        met = pc.invert(met) if condition.operator is Operator.UNEQUAL else met
    return np.asarray(pc.fill_null(met, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _comparable(values: pa.Array, texts: list[str], condition: Condition) -> tuple[pa.Array, list[pa.Scalar]]:
    """A column and the values asked of it in one type: quantities with a fraction as doubles, moments in UTC."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    try:
        if pa.types.is_integer(values.type) and all(float(text).is_integer() for text in texts):
            return values, [pa.scalar(int(float(text)), values.type) for text in texts]
        if pa.types.is_integer(values.type) or pa.types.is_decimal(values.type) or pa.types.is_floating(values.type):
            return values.cast(pa.float64()), [pa.scalar(float(text)) for text in texts]
        return values, [_scalar(text, values.type) for text in texts]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OverflowError) as error:
        raise ImpossibleConditionsError(
            f"{condition}: no value of type {values.type}: give one that {condition.column!r} can have"
        ) from error


def _scalar(text: str, arrow_type: pa.DataType) -> pa.Scalar:
    """A text as a type has it; a moment without a zone is UTC."""
    if not pa.types.is_timestamp(arrow_type) or arrow_type.tz is None:
        return pa.scalar(text).cast(arrow_type)
    moment = pa.scalar(text)
    try:
        return pc.assume_timezone(moment.cast(pa.timestamp(arrow_type.unit)), "UTC").cast(arrow_type)
    except pa.ArrowInvalid:
        return moment.cast(arrow_type)  # it has a zone of its own


def _balanced(values: pa.ChunkedArray, seed: int) -> npt.NDArray[np.int64]:
    """Places of as many rows of each level as the rarest one has."""
    codes = values.combine_chunks().dictionary_encode(null_encoding="encode").indices.to_numpy()
    least = int(np.bincount(codes).min())
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    kept = [shuffled[codes[shuffled] == code][:least] for code in np.unique(codes)]
    return np.sort(np.concatenate(kept))


def can_be_balanced(table: pa.Table, column: str) -> bool:
    """Whether a column has levels rather than quantities."""
    return kind_or_guess(table.schema.field(column), table[column]) in (Kind.CATEGORICAL, Kind.BOOLEAN)
