"""Events that are there once, copies of some, and archives of them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, ColumnSpec, RetrainingSpec, StreamSpec
from pipeline.lake import Lake
from tests.pipeline.lake.test_reader import write

HOUR_MS = 3_600_000


def spec_of(*columns: ColumnSpec, **more: Any) -> StreamSpec:
    """A stream called s."""
    return StreamSpec(stream="s", topic="s", columns=columns, budget=BudgetSpec(alerts_per_day=1), **more)


ID = ColumnSpec(name="id", kind=Kind.TEXT, roles=frozenset({Role.ID}))
TIME = ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME}))
VALUES = (
    ColumnSpec(name="card", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
    ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
    ColumnSpec(name="shop", kind=Kind.CATEGORICAL, roles=frozenset({Role.FEATURE})),
    ColumnSpec(name="weight", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
)
SPEC = spec_of(ID, TIME, *VALUES)


def events(rows: int, *, seed: int = 0, seconds: int = 1) -> pa.Table:
    """Rows under SPEC, so many seconds apart, that all differ in every number, the id and the time."""
    rng = np.random.default_rng(seed)
    micros = np.arange(rows, dtype=np.int64) * 1_000_000 * seconds + 1_767_225_600_000_000
    return pa.table(
        {
            "id": [f"e{seed}-{n}" for n in range(rows)],
            "at": pa.array(micros).cast(pa.timestamp("us", tz="UTC")),
            "card": rng.choice(["a", "b", "c", "d"], rows),
            "amount": rng.normal(100.0, 30.0, rows),
            "shop": rng.choice(["x", "y", "z"], rows),
            "weight": rng.normal(size=rows),
        },
        schema=SPEC.schema(),
    )


def with_copies(table: pa.Table, of: list[int], **changed: Any) -> pa.Table:
    """The table and copies of some of its rows behind it, with columns changed: name → values."""
    copies = table.take(of)
    for name, values in changed.items():
        at = table.schema.get_field_index(name)
        copies = copies.set_column(at, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return pa.concat_tables([table, copies])


def archived(folder: Path, table: pa.Table, *, spec: StreamSpec = SPEC, files: int = 2) -> Lake:
    """The rows in an archive of one partition, in their order; appended a second apart, whatever their own times."""
    lake = Lake(folder)
    times = table["at"].cast(pa.int64()).to_numpy() // 1000 if "at" in table.column_names else np.arange(len(table))
    cuts = np.linspace(0, table.num_rows, files + 1).astype(int)
    for first, stop in pairwise(cuts):
        part = table.slice(first, stop - first)
        write(
            lake,
            times[first:stop].tolist(),
            first=int(first),
            columns={name: part[name] for name in part.column_names},
            fields=list(spec.schema()),
            row_group=97,
        )
    return lake


def retraining(policy: str) -> RetrainingSpec:
    """A policy on duplicates."""
    return RetrainingSpec.model_validate({"duplicates": policy})
