"""Figures of one column of a window, without an object per row."""

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind
from pipeline.expectations.asked import Asked, What
from pipeline.expectations.measured import Measured
from pipeline.expectations.window import FloatArray, Window

LEAST_ROWS = 30
"""Fewer rows with a value are not judged."""
_EXAMPLES = 3
IntArray = npt.NDArray[np.int64]


class ColumnView:
    """One column of a window, decoded once however many questions there are. Let go of it with the column."""

    def __init__(self, window: Window, column: str) -> None:
        self.window, self.column = window, column

    @property
    def there(self) -> bool:
        """Whether the window has the column at all."""
        return self.column in self.window.table.column_names

    @cached_property
    def arrow_type(self) -> pa.DataType:
        """Its type in the window."""
        return self.window.table.schema.field(self.column).type

    @cached_property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which rows have no value."""
        return self.window.missing(self.column)

    @cached_property
    def known(self) -> FloatArray:
        """The values there are, as doubles."""
        values = self.window.numbers(self.column)
        return values[~np.isnan(values)]

    @cached_property
    def names(self) -> pa.DictionaryArray:
        """The values as names."""
        return self.window.names(self.column)

    @cached_property
    def counts(self) -> tuple[list[str], IntArray]:
        """Levels that occur, and how often."""
        encoded = self.names
        levels = encoded.dictionary.to_pylist()
        codes = np.asarray(encoded.indices.drop_null().to_numpy(zero_copy_only=False), np.int64)
        return levels, np.bincount(codes, minlength=len(levels)).astype(np.int64)

    @property
    def is_numeric(self) -> bool:
        """Whether numbers can be asked for."""
        kind = self.arrow_type
        return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def measure_column(view: ColumnView, asked: Asked) -> Measured:
    """The answer to a question about one column."""
    if not view.there:
        return Measured(error="the window has no such column")
    if asked.what in _NEED_NUMBERS and not view.is_numeric:
        return Measured(error=f"{asked.what.value} needs numbers, and the column is {view.arrow_type}")
    return _MEASURES[asked.what](view, asked)


def _type(view: ColumnView, asked: Asked) -> Measured:
    return Measured(text=str(view.arrow_type), rows=view.window.looked_at)


def _missing(view: ColumnView, asked: Asked) -> Measured:
    return _share(int(np.count_nonzero(view.missing)), len(view.missing))


def _limits(view: ColumnView, asked: Asked) -> Measured:
    known = view.known
    outside = np.zeros(len(known), np.bool_)
    if asked.low is not None:
        outside |= known < asked.low
    if asked.high is not None:
        outside |= known > asked.high
    examples = tuple(f"{value:.6g}" for value in np.unique(known[outside])[:_EXAMPLES])
    return _share(int(np.count_nonzero(outside)), len(known), examples)


def _quantile(view: ColumnView, asked: Asked) -> Measured:
    known = view.known
    if len(known) < LEAST_ROWS:
        return Measured(rows=len(known))
    return Measured(value=float(np.quantile(known, asked.probability, method="nearest")), rows=len(known))


def _zeros(view: ColumnView, asked: Asked) -> Measured:
    return _share(int(np.count_nonzero(view.known == 0.0)), len(view.known))


def _true(view: ColumnView, asked: Asked) -> Measured:
    return _share(int(np.count_nonzero(view.known != 0.0)), len(view.known))


def _unseen(view: ColumnView, asked: Asked) -> Measured:
    levels, counts = view.counts
    other = [(int(count), level) for level, count in zip(levels, counts, strict=True) if level not in asked.levels]
    examples = tuple(level[:60] for count, level in sorted(other, reverse=True)[:_EXAMPLES] if count)
    return _share(sum(count for count, _ in other), int(counts.sum()), examples)


def _moved(view: ColumnView, asked: Asked) -> Measured:
    levels, counts = view.counts
    rows = int(counts.sum())
    if rows < LEAST_ROWS:
        return Measured(rows=rows)
    return Measured(value=moved_share(dict(zip(levels, counts / rows, strict=True)), asked.levels), rows=rows)


def moved_share(observed: Mapping[str, float], reference: Mapping[str, float]) -> float:
    """Total variation between shares; what is no level of the reference is one further level."""
    apart = sum(abs(observed.get(level, 0.0) - share) for level, share in reference.items())
    rest = 1.0 - sum(reference.values()) - sum(share for level, share in observed.items() if level not in reference)
    return float(min(1.0, 0.5 * (apart + abs(rest))))


def _lengths(view: ColumnView, asked: Asked) -> Measured:
    levels, counts = view.counts
    lengths = np.array([len(level) for level in levels], np.int64)
    outside = np.zeros(len(lengths), np.bool_)
    if asked.low is not None:
        outside |= lengths < asked.low
    if asked.high is not None:
        outside |= lengths > asked.high
    examples = tuple(levels[at][:60] for at in np.flatnonzero(outside)[:_EXAMPLES])
    return _share(int(counts[outside].sum()), int(counts.sum()), examples)


def _repeated(view: ColumnView, asked: Asked) -> Measured:
    if view.window.kind(view.column) is Kind.NUMERIC or pa.types.is_integer(view.arrow_type):
        values = view.window.table[view.column].drop_null()
        counts = pc.value_counts(values).field("counts").to_numpy()
    else:
        counts = view.counts[1]
    return _share(int(counts[counts > 1].sum()), int(counts.sum()))


def _share(unexpected: int, rows: int, examples: tuple[str, ...] = ()) -> Measured:
    if rows < LEAST_ROWS:
        return Measured(rows=rows)
    return Measured(value=unexpected / rows, rows=rows, unexpected=unexpected, examples=examples)


_NEED_NUMBERS = frozenset({What.LIMITS, What.QUANTILE, What.ZEROS, What.TRUE})
_MEASURES: dict[What, Callable[[ColumnView, Asked], Measured]] = {
    What.TYPE: _type,
    What.MISSING: _missing,
    What.LIMITS: _limits,
    What.QUANTILE: _quantile,
    What.ZEROS: _zeros,
    What.TRUE: _true,
    What.UNSEEN: _unseen,
    What.MOVED: _moved,
    What.LENGTHS: _lengths,
    What.REPEATED: _repeated,
}
