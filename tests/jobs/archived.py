"""An archive in memory, behind what the jobs ask of the lake."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from pipeline.lake.in_order import PartitionRows


class Archived:
    """Rows with `_partition` and `_time`, handed out partition by partition in batches."""

    def __init__(self, table: pa.Table | None, *, batch_rows: int = 1000) -> None:
        self.table, self.batch_rows = table, batch_rows
        self.asked: list[Sequence[str] | None] = []

    def files(self, stream: str) -> Sequence[object]:
        return [] if self.table is None else [stream]

    def iterate_in_order(
        self,
        stream: str,
        *,
        start_ms: int | None,
        end_ms: int | None,
        columns: Sequence[str] | None,
        history: bool,
    ) -> Iterator[PartitionRows]:
        assert self.table is not None
        self.asked.append(columns)
        times = self.table["_time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
        inside = (times >= (start_ms or 0)) & (times < (end_ms or 2**62)) | history
        partitions = self.table["_partition"].to_numpy()
        for partition in np.unique(partitions):
            rows = np.flatnonzero(inside & (partitions == partition))
            for start in range(0, len(rows), self.batch_rows):
                at = rows[start : start + self.batch_rows]
                [batch] = self.table.take(at).select(list(columns or [])).combine_chunks().to_batches()
                yield PartitionRows("t0", int(partition), batch, times[at])
