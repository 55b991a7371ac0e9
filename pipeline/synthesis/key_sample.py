"""A seeded sample of whole keys out of rows that come batch by batch: histories are kept whole or left out.

Every key draws a number from its own hash; the keys with the smallest are kept, as many as fit. So a key is in or out
however the rows are batched.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.context.hashing import UInt64Array, hash_columns

Floats = npt.NDArray[np.float64]


def key_draws(rows: pa.RecordBatch | pa.Table, keys: list[str], seed: int) -> Floats:
    """Each row's number between 0 and 1, the same for all rows of a key, (B,)."""
    columns = [_whole(rows.column(rows.schema.get_field_index(name))) for name in keys]
    salt = pa.repeat(pa.scalar(seed, pa.int64()), rows.num_rows)
    hashes: UInt64Array = hash_columns([salt, *columns], rows.num_rows)
    return (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53


class KeySample:
    """Keeps about `most` rows at most, of whole keys; up to twice as many while it gathers."""

    def __init__(self, most: int, *, keys: list[str], seed: int) -> None:
        self._most, self._keys, self._seed = most, keys, seed
        self._chunks: list[pa.RecordBatch] = []
        self._draws: list[Floats] = []
        self._limit = 1.0
        self._kept = 0
        self.rows = 0
        """Rows offered."""

    def offer(self, batch: pa.RecordBatch) -> None:
        """Consider a batch's rows."""
        self.rows += batch.num_rows
        draws = key_draws(batch, self._keys, self._seed)
        chosen = draws <= self._limit
        if not chosen.any():
            return
        self._chunks.append(batch.filter(pa.array(chosen)))
        self._draws.append(draws[chosen])
        self._kept += int(chosen.sum())
        if self._kept >= 2 * self._most:
            self._thin()

    def table(self, schema: pa.Schema) -> pa.Table:
        """The sample, rows in the order they came. A key that alone has too many rows gives its first ones."""
        self._thin()
        table = pa.Table.from_batches(self._chunks, schema=schema)
        self._chunks, self._draws = [], []
        return table.slice(0, 2 * self._most)

    def _thin(self) -> None:
        draws = np.concatenate([*self._draws, np.empty(0)])
        if len(draws) <= self._most:
            return
        values, counts = np.unique(draws, return_counts=True)
        fitting = int(np.searchsorted(np.cumsum(counts), self._most, side="right"))
        self._limit = float(values[max(fitting - 1, 0)])
        for number, mine in enumerate(self._draws):
            keep = mine <= self._limit
            self._chunks[number] = self._chunks[number].filter(pa.array(keep))
            self._draws[number] = mine[keep]
        self._kept = sum(map(len, self._draws))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    return column
