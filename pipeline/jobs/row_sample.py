"""An even, seeded sample of rows that come batch by batch, in bounded memory.

Every row draws a number; the rows with the smallest are kept. So each row is as likely as every other, and the sample
is the same however the rows are batched.
"""

import numpy as np
import pyarrow as pa

from pipeline.kafka.port import Int64Array


class RowSample:
    """Keeps at most `most` rows; up to twice as many while it gathers."""

    def __init__(self, most: int, *, seed: int) -> None:
        self._most = most
        self._rng = np.random.default_rng(seed)
        self._chunks: list[pa.RecordBatch] = []
        self._drawn: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self._times: list[Int64Array] = []
        self._limit = 1.0
        self._kept = 0
        self.rows = 0
        """Rows offered."""

    def offer(self, batch: pa.RecordBatch, times_ms: Int64Array) -> None:
        """Consider a batch's rows, with their times."""
        self.rows += batch.num_rows
        drawn = self._rng.random(batch.num_rows)
        chosen = np.flatnonzero(drawn < self._limit)
        if not len(chosen):
            return
        self._chunks.append(batch if len(chosen) == batch.num_rows else batch.take(pa.array(chosen)))
        self._drawn.append(drawn[chosen])
        self._times.append(times_ms[chosen])
        self._kept += len(chosen)
        if self._kept >= 2 * self._most:
            self._thin()

    def _thin(self) -> None:
        """Let go of all rows but those with the smallest numbers, chunk by chunk."""
        if self._kept <= self._most:
            return
        drawn = np.concatenate(self._drawn)
        self._limit = float(np.partition(drawn, self._most)[self._most])
        for number, values in enumerate(self._drawn):
            keep = np.flatnonzero(values < self._limit)
            if len(keep) < len(values):
                self._chunks[number] = self._chunks[number].take(pa.array(keep))
                self._drawn[number], self._times[number] = values[keep], self._times[number][keep]
        self._kept = sum(map(len, self._drawn))

    def table(self, schema: pa.Schema) -> pa.Table:
        """The sample in order of time; rows of one moment in the order they came. The sample is let go of."""
        return self.table_and_times(schema)[0]

    def table_and_times(self, schema: pa.Schema) -> tuple[pa.Table, Int64Array]:
        """`table`, with its rows' times."""
        self._thin()
        table = pa.Table.from_batches(self._chunks, schema=schema)
        times = np.concatenate([*self._times, np.empty(0, np.int64)]).astype(np.int64)
        self._chunks, self._drawn, self._times = [], [], []
        return in_time(table, times)


def in_time(table: pa.Table, times_ms: Int64Array) -> tuple[pa.Table, Int64Array]:
    """Rows with their times, oldest first; rows of one moment stay in their order."""
    order = np.argsort(times_ms, kind="stable")
    return (table.take(pa.array(order)) if (np.diff(order) < 0).any() else table), times_ms[order]
