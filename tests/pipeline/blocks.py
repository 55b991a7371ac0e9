"""Blocks and specs the intake's tests share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, CodecFormat, ColumnSpec, Missing, StreamSpec, TimeUnit
from pipeline.kafka.port import Block, TopicPartition

APPEND_MS = 1_770_000_000_000


def payments(fmt: CodecFormat = CodecFormat.JSON, **more: Any) -> StreamSpec:
    columns = (
        ColumnSpec(name="at", kind=Kind.TIME, roles=frozenset({Role.TIME}), unit=TimeUnit.MILLISECONDS),
        ColumnSpec(name="card", kind=Kind.TEXT, roles=frozenset({Role.KEY, Role.PERSONAL})),
        ColumnSpec(name="amount", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE}), missing=Missing.REJECTED),
        ColumnSpec(name="country", kind=Kind.CATEGORICAL, roles=frozenset({Role.FEATURE})),
    )
    return StreamSpec(
        stream="payments", topic="pay", format=fmt, columns=columns, budget=BudgetSpec(alerts_per_day=5), **more
    )


def block(values: Sequence[bytes | None], *, append_ms: int = APPEND_MS, first_offset: int = 100) -> Block:
    """Records at even offsets, a second apart."""
    count = len(values)
    return Block(
        source=TopicPartition("pay", 3),
        offsets=np.arange(count, dtype=np.int64) * 2 + first_offset,
        timestamps_ms=np.arange(count, dtype=np.int64) * 1000 + append_ms,
        keys=[b"k%d" % i for i in range(count)],
        values=values,
    )
