"""The tables of `bench.synthesis`, split by a seeded shuffle: learned from 80 %, held against the other 20 %."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synth.preparation.kinds import with_kinds

LABELS = {
    "adult_48842": "income",
    "bank_marketing": "y",
    "adbench/magic.gamma": "label",
    "adbench/Cardiotocography": "label",
}
MIXED = ("adult_48842", "bank_marketing")
"""The limits are on the mean of these two."""
NUMERIC = "adbench/magic.gamma"
SMALL = "adbench/Cardiotocography"
TRAIN_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class SplitTable:
    """One table, cut in two."""

    name: str
    label: str
    train: pa.Table
    test: pa.Table


def split_table(folder: Path, name: str, seed: int) -> SplitTable:
    """A table of `LABELS`, its label a class, cut by `seed`."""
    label = LABELS[name]
    table = pq.read_table(folder / f"{name}.parquet")
    at = table.column_names.index(label)
    table = table.set_column(at, label, table[label].cast(pa.string()))
    table = with_kinds(table, label=label)
    order = np.random.default_rng(seed).permutation(table.num_rows)
    cut = int(TRAIN_SHARE * table.num_rows)
    return SplitTable(name, label, table.take(order[:cut]), table.take(order[cut:]))
