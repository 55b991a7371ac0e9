"""Per-key sliding windows: what each metric of the row's key did over the last steps, the row's own value last.

Rows are taken in the order given (offset order). Without `step_seconds` every row is a step. With it, values lie on
that clock's grid (step = ⌊time / step_seconds⌋): steps without a row are missing; of several values in one step the
last one stays, and a missing value erases nothing, so that rows which carry one metric each meet in one window; a row
later than its key's newest step counts as of that step, its windows never go back. Where a row's own value is missing
and its step has no other, the window ends in a missing value. Missing is NaN: young keys begin with it.

Bounded: `max_keys` keys of a fixed size each; beyond it the key seen longest ago in offset order is forgotten and
starts cold when it returns. Values are kept in single precision (seven digits) and clipped at ±1e30.

Shape legend: B rows, K keys, M metrics, L steps of a window.
"""

from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray, Tensors
from detectors.channels.numeric import as_float
from detectors.context.hashing import UInt64Array, hash_columns
from detectors.context.key_table import KeyTable
from detectors.enrichment import Enrichment, Int64Array
from detectors.errors import IncompatibleArtifactError, UnusableDataError
from detectors.features import column_of
from detectors.windows.kernel import Float32Array, advance
from detectors.windows.settings import WindowSettings, personal_columns

FIRST_KEYS = 64


class WindowEnrichment(Enrichment):
    """See the module's head. Not for several threads at once; `advance` lets go of the interpreter lock."""

    name: ClassVar[str] = "windows"
    version: ClassVar[int] = 1

    def __init__(self, settings: WindowSettings, schema: pa.Schema) -> None:
        """Raises UnusableDataError, with the column and the fix, where the settings do not fit the schema."""
        settings.check(schema)
        self._set_up(settings, personal_columns(schema))

    def _set_up(self, settings: WindowSettings, personal: frozenset[str]) -> None:
        self.settings = settings
        self._personal = personal
        self._fields = settings.fields(personal)
        self._adopt(np.zeros(0, np.uint64), *self._empty(0), 0)

    def _empty(self, capacity: int) -> tuple[Float32Array, Int64Array]:
        shape = (capacity, len(self.settings.metrics), self.settings.length)
        return np.full(shape, np.nan, dtype=np.float32), np.zeros((capacity, 2), dtype=np.int64)

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        """The columns it appends: one of kind window a metric, named `<metric>.window`."""
        return self._fields

    @property
    def keys(self) -> int:
        """Keys remembered now."""
        return self._table.used

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, room for keys to come included."""
        t = self._table
        return sum(a.nbytes for a in (t.places_T, t.hashes_K, t.links_K2, self._rings_KML, self._at_K2))

    def advance(self, batch: pa.RecordBatch, times_ms: Int64Array) -> pa.RecordBatch:
        """`batch` with `fields` appended; the state moves past its rows.

        A metric that the batch lacks is missing in every row; a key column that it lacks raises UnusableDataError.
        """
        B, s = batch.num_rows, self.settings
        if len(times_ms) != B:
            raise ValueError(f"{len(times_ms)} times for {B} rows")
        hashes_B = hash_columns([_key_column(batch, name) for name in s.key], B)
        values_MB = np.empty((len(s.metrics), B))
        for row, name in enumerate(s.metrics):
            column = column_of(batch, name)
            values_MB[row] = np.nan if column is None else as_float(column)
        out_MBL = np.empty((len(s.metrics), B, s.length), dtype=np.float32)
        self._make_room(hashes_B)
        self._run(hashes_B, np.ascontiguousarray(times_ms, dtype=np.int64), values_MB, out_MBL)
        columns = [pa.FixedSizeListArray.from_arrays(pa.array(out_BL.reshape(-1)), s.length) for out_BL in out_MBL]
        schema = pa.schema([*batch.schema, *self.fields], metadata=batch.schema.metadata)
        return pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)

    def _run(self, hashes_B: UInt64Array, times_ms_B: Int64Array, values_MB: FloatArray, out_MBL: Float32Array) -> None:
        t = self._table
        advance(
            hashes_B,
            times_ms_B,
            values_MB,
            (self.settings.step_seconds or 0.0) * 1000.0,
            self.settings.max_keys,
            t.places_T,
            t.hashes_K,
            t.links_K2,
            t.ends,
            self._rings_KML,
            self._at_K2,
            out_MBL,
        )

    def _make_room(self, hashes_B: UInt64Array) -> None:
        """Grow the arrays so that these keys fit even if all are new, or as many as may be remembered."""
        used, capacity = self._table.used, self._table.capacity
        if min(used + len(hashes_B), self.settings.max_keys) <= capacity:
            return
        wanted = min(used + len(np.unique(hashes_B)), self.settings.max_keys)
        if wanted > capacity:
            self._adopt(*self._live(), min(max(wanted, 2 * capacity, FIRST_KEYS), self.settings.max_keys))

    def _live(self) -> tuple[UInt64Array, Float32Array, Int64Array]:
        """Hashes, rings and places of the keys held, oldest first."""
        slots = self._table.slots_oldest_first()
        return self._table.hashes_K[slots], self._rings_KML[slots], self._at_K2[slots]

    def _adopt(self, hashes: UInt64Array, rings: Float32Array, at: Int64Array, capacity: int) -> None:
        """Hold these keys, in this order, with room for `capacity`."""
        self._table = KeyTable.of(hashes, capacity)
        self._rings_KML, self._at_K2 = self._empty(capacity)
        self._rings_KML[: len(hashes)] = rings
        self._at_K2[: len(hashes)] = at

    def snapshot(self) -> tuple[Tensors, dict[str, Any]]:
        """The keys held, oldest first: equal states have equal snapshots, whatever way led there."""
        hashes, rings_KML, at_K2 = self._live()
        document = {
            "name": self.name,
            "version": self.version,
            "settings": asdict(self.settings),
            "personal": sorted(self._personal),
        }
        return {"hashes_K": hashes, "rings_KML": rings_KML, "at_K2": at_K2}, document

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
        made._set_up(WindowSettings(**settings), frozenset(document["personal"]))
        hashes = np.asarray(tensors["hashes_K"], dtype=np.uint64)
        made._adopt(hashes, tensors["rings_KML"], tensors["at_K2"], len(hashes))
        return made


def _key_column(batch: pa.RecordBatch, name: str) -> pa.Array:
    column = column_of(batch, name)
    if column is None:
        raise UnusableDataError(f"the batch has no column {name!r}, the windows' key: correct the stream's columns")
    return column


def windows_of(column: pa.Array | None, length: int, rows: int) -> npt.NDArray[np.float32]:
    """A window column as an array, (rows, length), without a copy where Arrow allows; NaN where it is absent or null.

    Raises UnusableDataError for a column of another length or type.
    """
    if column is None:
        return np.full((rows, length), np.nan, dtype=np.float32)
    if column.type != pa.list_(pa.float32(), length):
        raise UnusableDataError(f"a window column is {column.type}, not windows of {length} steps: train again")
    values = column.values.slice(column.offset * length, rows * length)
    windows_BL = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float32).reshape(rows, length)
    if column.null_count:
        windows_BL = np.where(column.is_null().to_numpy(zero_copy_only=False)[:, None], np.float32(np.nan), windows_BL)
    return windows_BL
