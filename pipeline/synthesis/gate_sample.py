"""The rows of a dataset that its gates look at: a bounded sample of the files as they are, without what was injected.

Row groups are taken evenly over all files; of keyed streams whole keys.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.columns import Role, names_with_role
from pipeline.jobs.row_sample import RowSample
from pipeline.lake.reader import unreadable
from pipeline.synthesis.key_sample import KeySample
from pipeline.synthesis.split import is_keyed_stream

MOST_ROWS = 50_000
_MOST_GROUPS = 24
TRUTH = "_anomaly"


def gate_sample(files: Sequence[Path], schema: pa.Schema, *, most: int = MOST_ROWS, seed: int) -> pa.Table:
    """At most `most` rows (about as many, of keyed streams) with the columns of `schema`, in the order they lie there.

    Raises StorageUnavailableError.
    """
    groups = [(path, index) for path in files for index in range(_groups_of(path))]
    chosen = np.unique(np.linspace(0, len(groups) - 1, min(len(groups), _MOST_GROUPS)).round().astype(int))
    keyed = KeySample(most, keys=names_with_role(schema, Role.KEY), seed=seed) if is_keyed_stream(schema) else None
    sample = RowSample(most, seed=seed)
    for path, group in (groups[number] for number in chosen.tolist()):
        for batch in _rows(path, group, schema):
            if keyed is not None:
                keyed.offer(batch)
            else:
                sample.offer(batch, np.arange(sample.rows, sample.rows + batch.num_rows, dtype=np.int64))
    return keyed.table(schema) if keyed is not None else sample.table(schema)


def _groups_of(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_row_groups)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def _rows(path: Path, group: int, schema: pa.Schema) -> list[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path) as parquet:
            names = parquet.schema_arrow.names
            wanted = [*schema.names, *([TRUTH] if TRUTH in names else [])]
            table = parquet.read_row_group(group, columns=wanted)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    if TRUTH in table.column_names:
        table = table.filter(pa.compute.invert(table[TRUTH]))
    batches: list[pa.RecordBatch] = table.select(schema.names).cast(schema).combine_chunks().to_batches()
    return batches
