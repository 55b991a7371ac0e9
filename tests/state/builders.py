"""A small stream with a small enrichment of its own, so that what is tested is the keeping of state."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from detectors.base import Tensors
from detectors.columns import Kind, Role, make_field
from detectors.enrichment import Enrichment, Int64Array
from detectors.errors import IncompatibleArtifactError
from pipeline.config import BudgetSpec, ColumnSpec, StateSpec, StreamSpec
from pipeline.kafka.port import OutRecord
from pipeline.state.recipe import Recipe, Step
from tests.fakes import MemoryBroker

SPEC = StreamSpec(
    stream="s",
    topic="events",
    columns=(
        ColumnSpec(name="who", kind=Kind.CATEGORICAL, roles=frozenset({Role.KEY})),
        ColumnSpec(name="x", kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})),
    ),
    budget=BudgetSpec(share_of_events=0.1),
    state=StateSpec(snapshot_seconds=10.0, snapshot_events=1_000_000),
)


@dataclass(frozen=True)
class SumSettings:
    """Part of the recipe's digest."""

    decay: float = 0.5


class RunningSum(Enrichment):
    """The sum of x over the key's earlier rows: wrong at once where a row is lost, doubled or out of order."""

    name: ClassVar[str] = "running_sum"
    version: ClassVar[int] = 1

    def __init__(self, sums: dict[str, float] | None = None) -> None:
        self.sums = dict(sums or {})

    @property
    def fields(self) -> tuple[pa.Field, ...]:
        return (make_field("who.sum", Kind.NUMERIC, [Role.FEATURE]),)

    def advance(self, batch: pa.RecordBatch, times_ms: Int64Array) -> pa.RecordBatch:
        assert len(times_ms) == batch.num_rows
        out = []
        for who, x in zip(batch["who"].to_pylist(), batch["x"].to_pylist(), strict=True):
            out.append(self.sums.get(who, 0.0))
            self.sums[who] = self.sums.get(who, 0.0) * 0.5 + x
        return pa.RecordBatch.from_arrays(
            [*batch.columns, pa.array(out, pa.float64())], schema=pa.schema([*batch.schema, *self.fields])
        )

    def snapshot(self) -> tuple[Tensors, dict[str, Any]]:
        return {"sums": np.array(list(self.sums.values()))}, {"version": self.version, "keys": list(self.sums)}

    @classmethod
    def restore(cls, tensors: Tensors, document: dict[str, Any]) -> Self:
        if document["version"] != cls.version:
            raise IncompatibleArtifactError("another version: replay")
        return cls(dict(zip(document["keys"], tensors["sums"].tolist(), strict=True)))


def recipe(*, horizon_seconds: float = 3600.0, decay: float = 0.5) -> Recipe:
    step = Step(make=RunningSum, settings=SumSettings(decay), columns=("who", "x"), horizon_seconds=horizon_seconds)
    return Recipe(SPEC.schema(), (step,))


def event(who: int, x: float) -> bytes:
    return json.dumps({"who": f"k{who}", "x": x}).encode()


def fill(broker: MemoryBroker, rows: list[tuple[int, float]], *, step_ms: int = 1000) -> None:
    """Append events, with an undecodable one and a transaction's marker here and there."""
    log = broker.log(SPEC.topic)
    for number, (who, x) in enumerate(rows):
        broker.append(OutRecord(SPEC.topic, event(who, x), partition=0, timestamp_ms=number * step_ms))
        if number % 7 == 3:
            broker.append(OutRecord(SPEC.topic, b"no event", partition=0, timestamp_ms=number * step_ms))
        if number % 5 == 4:
            log.skip(1)
