"""Tables as the measures see them: numbers as doubles, everything else as codes of one shared vocabulary.

Tables that are compared are encoded together, so that a code means the same in all of them. Rows are put in an order
that only their content decides (a hash of the row), so no measure depends on the order rows came in.

Left out of every measure, because its values are replaced on purpose or have nothing to be compared: identifiers
(role id, or no value twice), keys (measured as sequences), personal names, free text, windows and nested values.

Shape legend: N rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from detectors.columns import KIND_KEY, Kind, Role, kind_of, roles_of
from detectors.errors import UnusableDataError
from synth.preparation.kinds import inferred_kind
from synth.preparation.personal import personal_names

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_REPLACED_ROLES = {Role.ID: "an identifier", Role.KEY: "a key"}
_LEAST_NAMED_ROWS = 100
"""In fewer rows all values may differ by chance."""
_MOST_SPREAD = 3
"""Numbers that count rows lie within so many times the rows, though some rows were held out."""
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table."""

    name: str
    kind: Kind
    values_N: FloatArray | IntArray
    """Doubles with NaN for missing (numbers; times in microseconds), else codes, missing values one of their own."""
    levels: tuple[str | None, ...] = ()
    """What the codes stand for; empty for numbers."""

    @property
    def ordered(self) -> bool:
        """Whether values are numbers."""
        return not self.levels

    def take(self, rows: npt.NDArray[Any]) -> "Column":
        """The column of some rows."""
        return Column(self.name, self.kind, self.values_N[rows], self.levels)


@dataclass(frozen=True, slots=True)
class Frame:
    """One table; rows in the order of their content."""

    columns: tuple[Column, ...]
    rows: int

    def take(self, rows: npt.NDArray[Any]) -> "Frame":
        """Some of the rows."""
        return Frame(tuple(column.take(rows) for column in self.columns), len(rows))

    def shuffled(self, seed: int) -> "Frame":
        """The same rows in a seeded order."""
        return self.take(np.random.default_rng(seed).permutation(self.rows))

    def apart(self, seed: int) -> "Frame":
        """Every column shuffled by itself: what independent columns of the same marginals look like, the floor."""
        g = np.random.default_rng(seed)
        return Frame(tuple(column.take(g.permutation(self.rows)) for column in self.columns), self.rows)

    def at_most(self, rows: int, seed: int) -> "Frame":
        """At most so many of the rows, drawn without putting back."""
        return self if self.rows <= rows else self.take(np.random.default_rng(seed).permutation(self.rows)[:rows])

    def without(self, names: Sequence[str]) -> "Frame":
        """The other columns."""
        return Frame(tuple(column for column in self.columns if column.name not in names), self.rows)

    def column(self, name: str) -> Column:
        """One column by its name. Raises UnusableDataError where it is not among those measured."""
        for column in self.columns:
            if column.name == name:
                return column
        raise UnusableDataError(f"{name!r} is not a column that can be measured: name one of {self.names}")

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]


def with_known_kinds(table: pa.Table, *, label: str | None = None) -> pa.Table:
    """The same columns with a kind in their metadata wherever one can be told; the others are left as they are."""
    kinds = [kind_or_guess(field, table[field.name], label) for field in table.schema]
    fields = [
        field if kind is None else field.with_metadata({**(field.metadata or {}), KIND_KEY: kind.value.encode()})
        for field, kind in zip(table.schema, kinds, strict=True)
    ]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))


def kind_or_guess(field: pa.Field, values: pa.ChunkedArray, label: str | None = None) -> Kind | None:
    """A column's kind: as its metadata says, else as preparation guesses it; None for nested values and bytes."""
    if kind_of(field) is None and (pa.types.is_nested(field.type) or pa.types.is_binary(field.type)):
        return None
    if pa.types.is_null(field.type):
        return Kind.CATEGORICAL
    return kind_of(field) or inferred_kind(values, field, label)


def personal_columns(table: pa.Table) -> set[str]:
    """The columns whose values are about a person: by role, or by the look of texts without any role."""
    texts = [f for f in table.schema if pa.types.is_string(f.type) or Role.PERSONAL in roles_of(f)]
    values = {field.name: table[field.name].combine_chunks() for field in texts}
    return personal_names(values, pa.schema(texts))[0]


def _names_rows(values: pa.ChunkedArray) -> bool:
    """Whether no value of texts or of nearly consecutive whole numbers comes twice."""
    present = values.drop_null()
    if pa.types.is_dictionary(present.type):
        present = present.cast(present.type.value_type)
    if len(present) < _LEAST_NAMED_ROWS or pc.count_distinct(present).as_py() < len(present):
        return False
    if not pa.types.is_integer(present.type):
        return bool(pa.types.is_string(present.type) or pa.types.is_large_string(present.type))
    ends = pc.min_max(present).as_py()
    return bool(ends["max"] - ends["min"] < _MOST_SPREAD * len(present))


def left_out(table: pa.Table) -> dict[str, str]:
    """Which columns no measure looks at, each with the reason."""
    reasons, personal = {}, personal_columns(table)
    for field in table.schema:
        kind = kind_or_guess(field, table[field.name])
        roles = roles_of(field) & _REPLACED_ROLES.keys()
        if field.name in personal and kind in (Kind.CATEGORICAL, Kind.TEXT):
            reasons[field.name] = "personal"
        elif roles:
            reasons[field.name] = _REPLACED_ROLES[min(roles)]
        elif kind in (Kind.TEXT, Kind.WINDOW, None):
            reasons[field.name] = "free text" if kind is Kind.TEXT else "a window or nested value"
        elif kind in (Kind.CATEGORICAL, Kind.NUMERIC) and _names_rows(table[field.name]):
            reasons[field.name] = "an identifier: no value comes twice"
    return reasons


def frames(*tables: pa.Table) -> tuple[Frame, ...]:
    """Tables encoded together, the first one deciding which columns there are and of which kind.

    Raises UnusableDataError where a table has no rows, lacks a column, or nothing is left to measure.
    """
    first, skipped = tables[0], left_out(tables[0])
    if any(table.num_rows == 0 for table in tables):
        raise UnusableDataError("a table without rows cannot be compared: give one with rows")
    encoded: list[list[Column]] = [[] for _ in tables]
    for field in first.schema:
        if field.name in skipped:
            continue
        for columns, column in zip(encoded, _together(field, tables), strict=True):
            columns.append(column)
    if not encoded[0]:
        raise UnusableDataError("no column can be measured: all are identifiers, keys, personal, text or nested")
    return tuple(_in_order(Frame(tuple(c), t.num_rows)) for c, t in zip(encoded, tables, strict=True))


def _together(field: pa.Field, tables: Sequence[pa.Table]) -> list[Column]:
    for table in tables:
        if field.name not in table.schema.names:
            raise UnusableDataError(f"one of the tables has no column {field.name!r}: compare tables of one schema")
    kind = kind_or_guess(field, tables[0][field.name])
    if kind in (Kind.NUMERIC, Kind.TIME):
        return [Column(field.name, kind, _numbers(table[field.name])) for table in tables]
    kind = kind or Kind.CATEGORICAL
    levels, codes = _codes([table[field.name] for table in tables])
    return [Column(field.name, kind, c, levels) for c in codes]


def _numbers(values: pa.ChunkedArray) -> FloatArray:
    """Doubles, NaN where missing; moments as microseconds."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("us", tz=values.type.tz), safe=False).cast(pa.int64())
    elif pa.types.is_time(values.type) or pa.types.is_duration(values.type):
        values = values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64())
    doubles = values.cast(pa.float64(), safe=False).to_numpy()
    return np.asarray(doubles, dtype=np.float64) + 0.0  # -0.0 is 0.0


def _codes(columns: Sequence[pa.ChunkedArray]) -> tuple[tuple[str | None, ...], list[IntArray]]:
    """The sorted vocabulary of all columns, missing last, and each column's codes."""
    text = [column.cast(pa.string()) for column in columns]
    joint = pa.concat_arrays([chunk for column in text for chunk in column.chunks]).dictionary_encode()
    order = pc.array_sort_indices(joint.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    indices = pc.fill_null(joint.indices.cast(pa.int64()), len(order)).to_numpy()
    codes = np.append(rank, len(order))[indices]
    levels = (*joint.dictionary.take(order).to_pylist(), None)
    return levels, np.split(codes, np.cumsum([len(column) for column in columns])[:-1])


def row_hashes(frame: Frame) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of every row's values, (N,): equal rows have equal hashes, within tables encoded together."""
    hashes = np.zeros(frame.rows, dtype=np.uint64)
    for column in frame.columns:
        values = np.where(np.isnan(column.values_N), np.nan, column.values_N) if column.ordered else column.values_N
        hashes = (hashes ^ np.ascontiguousarray(values).view(np.uint64)) * _MIX
        hashes ^= hashes >> np.uint64(29)
        hashes *= np.uint64(0xBF58476D1CE4E5B9)
        hashes ^= hashes >> np.uint64(32)
    return hashes


def _in_order(frame: Frame) -> Frame:
    return frame.take(np.argsort(row_hashes(frame), kind="stable"))
