"""Stream specs the codec tests share."""

from typing import Any

from detectors.columns import Kind, Role
from pipeline.config import BudgetSpec, CodecFormat, ColumnSpec, StreamSpec


def column(name: str, kind: str, **more: Any) -> ColumnSpec:
    return ColumnSpec(name=name, kind=Kind(kind), **more)


def mixed_spec(fmt: CodecFormat = CodecFormat.JSON) -> StreamSpec:
    """One column of every kind and wire form, some of them nested."""
    columns = (
        column("id", "text"),
        column("at", "time", path="meta.at"),
        column("sent", "time", unit="ms"),
        column("clock", "time", unit="us"),
        column("amount", "numeric", path="pay.amount", roles=frozenset({Role.FEATURE})),
        column("count", "numeric", integer=True),
        column("country", "categorical", path="pay.card.country"),
        column("code", "categorical", integer=True),
        column("ok", "boolean"),
    )
    return stream(columns, fmt)


def stream(columns: tuple[ColumnSpec, ...], fmt: CodecFormat = CodecFormat.JSON) -> StreamSpec:
    return StreamSpec(
        stream="payments", topic="payments", format=fmt, columns=columns, budget=BudgetSpec(alerts_per_day=5)
    )
