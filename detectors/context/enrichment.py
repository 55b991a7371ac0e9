"""Keyed context: what a row's key did before it, and how the row relates to that.

One instance is one partition's state. Rows are taken in the order given (offset order). Every appended value but
`deviation` and `new` describes the key **before** the row: a key's first row has count 0 and null for what needs
history. Then the row is added.

Time is the rows' own. A late row (older than the newest its key has had) counts as happening at that newest moment:
its gap is zero, nothing decays, its values count in full; a key's clock never goes back. A null key column is a key of
its own. A null or infinite number changes no mean and has no deviation; a null category is a category.

Bounded: `max_keys` keys of a fixed size each; beyond it the key seen longest ago in offset order is forgotten and
starts cold when it returns. Works where an entity's own past says what is usual for it; blind to entities that were
anomalous from their first event, and a slow enough change becomes the norm.

Shape legend: B rows, K slots, S doubles of a slot, C categorical columns, M categories remembered, O output rows.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray, Tensors
from detectors.channels.numeric import as_float
from detectors.columns import Kind, Role, kind_of, roles_of
from detectors.context.hashing import UInt64Array, hash_columns
from detectors.context.kernel import MEMORY, advance, state_width
from detectors.context.key_table import KeyTable
from detectors.context.layout import Layout
from detectors.context.settings import ContextSettings
from detectors.enrichment import Enrichment, Int64Array
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from detectors.features import column_of

CHUNK_ROWS = 8_192
"""Rows between two looks at whether the arrays must grow; no value depends on it."""
FIRST_KEYS = 1_024


class ContextEnrichment(Enrichment):
    """See the module's head. Not for several threads at once; `advance` lets go of the interpreter lock."""

    name: ClassVar[str] = "context"
    version: ClassVar[int] = 1

    def __init__(self, settings: ContextSettings, schema: pa.Schema) -> None:
        """Raises UnusableDataError, with the column and the fix, where the settings do not fit the schema."""
        settings.check(schema)
        self._set_up(settings, frozenset(f.name for f in schema if Role.PERSONAL in roles_of(f)))
        clash = sorted(set(schema.names) & {field.name for field in self.fields})
        if clash:
            raise UnusableDataError(f"the stream already has a column {clash[0]!r}: give the context another prefix")

    def _set_up(self, settings: ContextSettings, personal: frozenset[str]) -> None:
        self.settings = settings
        self._personal = personal
        self._layout = Layout.of(settings, personal)
        self._half_lives_ms = np.array([*settings.half_lives_seconds, settings.norm_half_life_seconds]) * 1000.0
        self._table = KeyTable(0)
        self._state_KS = np.zeros((0, self._width))
        self._known_KCM = np.zeros((0, len(settings.categorical), MEMORY), dtype=np.uint16)

    @property
    def _width(self) -> int:
        s = self.settings
        return state_width(len(self._half_lives_ms), s.moment_lives, len(s.numeric), len(s.categorical))

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """The columns it appends: float64, and booleans for `new`; role feature, personal where their source is."""
        return self._layout.fields

    @property
    def keys(self) -> int:
        """Keys remembered now."""
        return self._table.used

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, room for keys to come included."""
        t = self._table
        arrays = (t.places_T, t.hashes_K, t.links_K2, self._state_KS, self._known_KCM)
        return sum(array.nbytes for array in arrays)

    def advance(self, batch: pa.RecordBatch, times_ms: Int64Array) -> pa.RecordBatch:
        """`batch` with `fields` appended; the state moves past its rows.

        A numeric or categorical column that the batch lacks is null in every row; a key column that it lacks raises
        UnusableDataError.
        """
        B = batch.num_rows
        if len(times_ms) != B:
            raise ValueError(f"{len(times_ms)} times for {B} rows")
        s = self.settings
        hashes_B = hash_columns([self._key_column(batch, name) for name in s.key], B)
        values_NB = _stacked((_numbers(batch, name) for name in s.numeric), len(s.numeric), B, np.float64)
        categories_CB = _stacked((_categories(batch, name) for name in s.categorical), len(s.categorical), B, np.uint64)
        out_OB = np.empty((len(self.fields), B))
        times_ms = np.ascontiguousarray(times_ms, dtype=np.int64)
        for start in range(0, B, CHUNK_ROWS):
            at = slice(start, min(start + CHUNK_ROWS, B))
            self._make_room(at.stop - at.start)
            self._advance_chunk(hashes_B[at], times_ms[at], values_NB[:, at], categories_CB[:, at], out_OB[:, at])
        columns = [_column(field, out_B) for field, out_B in zip(self.fields, out_OB, strict=True)]
        schema = pa.schema([*batch.schema, *self.fields], metadata=batch.schema.metadata)
        return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)

    def _key_column(self, batch: pa.RecordBatch, name: str) -> pa.Array:
        column = column_of(batch, name)
        if column is None:
            raise UnusableDataError(
                f"the batch has no column {name!r}, the context's key: correct the stream's columns"
            )
        return column

    def _advance_chunk(
        self,
        hashes_B: UInt64Array,
        times_ms_B: Int64Array,
        values_NB: FloatArray,
        categories_CB: UInt64Array,
        out_OB: FloatArray,
    ) -> None:
        t, layout = self._table, self._layout
        advance(
            hashes_B,
            times_ms_B,
            values_NB,
            categories_CB,
            self._half_lives_ms,
            self.settings.moment_lives,
            self.settings.max_keys,
            t.places_T,
            t.hashes_K,
            t.links_K2,
            t.ends,
            self._state_KS,
            self._known_KCM,
            layout.key_at,
            layout.count_at_H,
            layout.moments_at_NH3,
            layout.deviation_at_N,
            layout.new_at_C2,
            out_OB,
        )

    def _make_room(self, rows: int) -> None:
        """Grow the arrays so that `rows` new keys fit, or as many as may be remembered."""
        used, capacity = self._table.used, self._table.capacity
        wanted = min(used + rows, self.settings.max_keys)
        if wanted <= capacity:
            return
        capacity = min(max(wanted, 2 * capacity, FIRST_KEYS), self.settings.max_keys)
        self._adopt(*self._live(), capacity)

    def _live(self) -> tuple[UInt64Array, FloatArray, npt.NDArray[np.uint16]]:
        """Hashes, state and remembered categories of the keys held, oldest first."""
        slots = self._table.slots_oldest_first()
        return self._table.hashes_K[slots], self._state_KS[slots], self._known_KCM[slots]

    def _adopt(self, hashes: UInt64Array, state: FloatArray, known: npt.NDArray[np.uint16], capacity: int) -> None:
        """Hold these keys, in this order, with room for `capacity`."""
        self._table = KeyTable.of(hashes, capacity)
        self._state_KS = np.zeros((capacity, self._width))
        self._known_KCM = np.zeros((capacity, len(self.settings.categorical), MEMORY), dtype=np.uint16)
        self._state_KS[: len(hashes)] = state
        self._known_KCM[: len(hashes)] = known

    def snapshot(self) -> tuple[Tensors, dict[str, Any]]:
        """The keys held, oldest first: equal states have equal snapshots, whatever way led there."""
        hashes, state, known = self._live()
        document = {
            "name": self.name,
            "version": self.version,
            "settings": asdict(self.settings),
            "personal": sorted(self._personal),
        }
        return {"hashes_K": hashes, "state_KS": state, "known_KCM": known}, document

    @classmethod
    def restore(cls, tensors: Tensors, document: dict[str, Any]) -> Self:
        """The enrichment that `snapshot` described. Raises IncompatibleArtifactError for another version."""
        if (document.get("name"), document.get("version")) != (cls.name, cls.version):
            raise IncompatibleArtifactError(
                f"the snapshot is of {document.get('name')!r} version {document.get('version')!r}, this is "
                f"{cls.name!r} version {cls.version}: delete the snapshot and replay the archive"
            )
        made = cls.__new__(cls)
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document["settings"].items()}
        made._set_up(ContextSettings(**settings), frozenset(document["personal"]))
        hashes = np.asarray(tensors["hashes_K"], dtype=np.uint64)
        made._adopt(hashes, tensors["state_KS"], tensors["known_KCM"], len(hashes))
        return made


def _stacked(rows: Iterable[npt.NDArray[Any]], count: int, length: int, dtype: type) -> npt.NDArray[Any]:
    """Rows as one matrix, (count, length), none included."""
    stacked: npt.NDArray[Any] = np.empty((count, length), dtype=dtype)
    for at, row in enumerate(rows):
        stacked[at] = row
    return stacked


def _numbers(batch: pa.RecordBatch, name: str) -> FloatArray:
    column = column_of(batch, name)
    return np.full(batch.num_rows, np.nan) if column is None else as_float(column)


def _categories(batch: pa.RecordBatch, name: str) -> UInt64Array:
    column = column_of(batch, name)
    return hash_columns([pa.nulls(batch.num_rows, pa.int64()) if column is None else column], batch.num_rows)


def _column(field: pa.Field, out_B: FloatArray) -> pa.Array:
    if kind_of(field) is Kind.BOOLEAN:
        return pa.array(out_B == 1.0, mask=np.isnan(out_B))
    return pa.array(out_B, from_pandas=True)
