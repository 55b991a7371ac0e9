"""A table as injectors see it: numbers and level codes of its columns, rows in order of their key, the clock.

Shape legend: N rows, G keys.
"""

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import Kind, Role, feature_fields, kind_of, names_with_role
from detectors.errors import UnusableDataError
from detectors.features import column_of
from detectors.injection.plan import Plan
from detectors.injection.truth import BoolArray, FloatArray, IntArray

LEAST_OWN_ROWS = 30
"""A key with fewer values has no spread of its own worth the name."""


class TableView:
    """Reads a table once for all families of a plan. Raises UnusableDataError for a column that is not there."""

    def __init__(self, table: pa.Table, plan: Plan) -> None:
        self.table = table
        features = {field.name: field for field in feature_fields(table.schema)}
        wanted = plan.columns if plan.columns is not None else tuple(features)
        self.key = tuple(names_with_role(table.schema, Role.KEY)) if plan.key is None else plan.key
        self.clock = tuple(names_with_role(table.schema, Role.TIME)) if plan.clock is None else plan.clock
        for name in (*wanted, *self.key, *self.clock):
            if name not in table.column_names:
                raise UnusableDataError(f"no column {name!r} to inject into: name one of the table's")
        kinds = {name: kind_of(table.schema.field(name)) for name in wanted}
        self.numbers = tuple(name for name in wanted if kinds[name] is Kind.NUMERIC)
        self.levels = tuple(name for name in wanted if kinds[name] in (Kind.CATEGORICAL, Kind.BOOLEAN))
        self.features = features
        self._values: dict[str, FloatArray] = {}
        self._codes: dict[str, IntArray] = {}

    @property
    def rows(self) -> int:
        """N."""
        return int(self.table.num_rows)

    def values(self, name: str) -> FloatArray:
        """A numeric column, NaN where it is null or not finite, (N,)."""
        if name not in self._values:
            column = pc.cast(column_of(self.table, name), pa.float64(), safe=False)
            found = np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64)
            found[~np.isfinite(found)] = np.nan
            self._values[name] = found
        return self._values[name]

    def codes(self, name: str) -> IntArray:
        """Which distinct value each row holds, −1 for nulls, (N,)."""
        if name not in self._codes:
            column = column_of(self.table, name)
            indices = pc.dictionary_encode(column).indices
            self._codes[name] = pc.fill_null(indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        return self._codes[name]

    def present(self, name: str) -> BoolArray:
        """True where a column has a value, (N,)."""
        return ~np.isnan(self.values(name)) if name in self.numbers else self.codes(name) >= 0

    @cached_property
    def group_N(self) -> IntArray:
        """One number per key, (N,); all 0 without a key."""
        group = np.zeros(self.rows, dtype=np.int64)
        for name in self.key:
            codes = self.codes(name) + 1
            _, group = np.unique(group * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True)
        return group.astype(np.int64)

    @cached_property
    def order_N(self) -> IntArray:
        """Rows sorted by key, in their own order within it, (N,)."""
        return np.argsort(self.group_N, kind="stable").astype(np.int64)

    @cached_property
    def bounds_G(self) -> IntArray:
        """Where each key begins in `order_N`, and N at the end, (G + 1,)."""
        counts = np.bincount(self.group_N) if self.rows else np.zeros(0, dtype=np.int64)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def times_ms(self) -> FloatArray | None:
        """The clock in milliseconds, NaN where null, (N,); None without a clock."""
        if not self.clock:
            return None
        column = pc.cast(column_of(self.table, self.clock[0]), pa.timestamp("us", tz="UTC"), safe=False)
        microseconds = column.cast(pa.int64()).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        return np.asarray(microseconds, dtype=np.float64) / 1000.0

    @cached_property
    def reached_ms(self) -> FloatArray | None:
        """The latest time up to each row, (N,); None without a clock."""
        times = self.times_ms
        return None if times is None else np.maximum.accumulate(np.where(np.isnan(times), -np.inf, times))

    def spread(self, name: str, rows: IntArray | None = None) -> float:
        """Robust standard deviation of a column: of `rows` (a key's) where those are enough and vary, else of all."""
        values = self.values(name)
        if rows is not None:
            own = values[rows]
            own = own[~np.isnan(own)]
            found = robust_spread(own) if len(own) >= LEAST_OWN_ROWS else 0.0
            if found > 0.0:
                return found
        return robust_spread(values[~np.isnan(values)])


def robust_spread(values: FloatArray) -> float:
    """A standard deviation that 2.5 % of strange values on either side cannot make large; 0 for a constant column.

    The larger of IQR / 1.349 and the standard deviation after winsorising at 2.5 % and 97.5 %: the quartiles alone
    call half of a heavy-tailed column strange, and are 0 where half of the values are equal.
    """
    if not len(values):
        return 0.0
    low, q1, q3, high = np.quantile(values, [0.025, 0.25, 0.75, 0.975])
    found = max((q3 - q1) / 1.349, float(np.clip(values, low, high).std()))
    return found if found > 0.0 else float(values.std())
