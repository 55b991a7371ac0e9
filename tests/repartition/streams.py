"""A stream keyed by customer whose terminals and shops have context too, and events of it."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, CodecFormat, ColumnSpec, ContextSpec, Missing, StreamSpec
from pipeline.kafka.port import Block, TopicPartition

TERMINAL = ContextSpec(key=("terminal",), half_lives_seconds=(60.0,), numeric=("amount",), repartition=True)
SHOP = ContextSpec(key=("shop", "country"), half_lives_seconds=(60.0,), repartition=True)
CUSTOMER = ContextSpec(key=("customer",), half_lives_seconds=(60.0,))
COLUMNS = (
    ColumnSpec(name="customer", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
    ColumnSpec(name="terminal", kind=Kind.CATEGORICAL, integer=True, path="at.terminal"),
    ColumnSpec(name="shop", kind=Kind.CATEGORICAL),
    ColumnSpec(name="country", kind=Kind.CATEGORICAL, roles=frozenset({Role.FEATURE})),
    ColumnSpec(name="when", kind=Kind.TIME, roles=frozenset({Role.TIME})),
    ColumnSpec(
        name="amount", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE, Role.PERSONAL}), missing=Missing.REJECTED
    ),
)
APPENDED_MS = 1_700_000_000_000


def make_spec(*context: ContextSpec, format: CodecFormat = CodecFormat.JSON, **more: Any) -> StreamSpec:
    return StreamSpec(
        stream="pay",
        topic="payments",
        format=format,
        columns=COLUMNS,
        budget=BudgetSpec(share_of_events=0.01),
        context=context or (TERMINAL, CUSTOMER),
        **more,
    )


def event(number: int, **more: Any) -> dict[str, Any]:
    seconds = number // 10
    return {
        "customer": f"c{number % 7}",
        "at": {"terminal": number * 13 % 11},
        "shop": None if number % 17 == 0 else f"s{number % 5}",
        "country": "BR" if number % 3 else "DE",
        "when": f"2023-11-14T21:{seconds // 60:02}:{seconds % 60:02}Z",
        "amount": float(number % 29),
        **more,
    }


def block(partition: int, values: Sequence[bytes | None], *, topic: str = "payments", first: int = 0) -> Block:
    return Block(
        source=TopicPartition(topic, partition),
        offsets=np.arange(first, first + len(values), dtype=np.int64),
        timestamps_ms=np.full(len(values), APPENDED_MS, np.int64),
        keys=[None] * len(values),
        values=list(values),
    )


def json_block(partition: int, numbers: Sequence[int], *, first: int = 0, **more: Any) -> Block:
    return block(partition, [json.dumps(event(n, **more)).encode() for n in numbers], first=first)
