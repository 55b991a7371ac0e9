"""Archives, streams and services for tests of the life of models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from detectors.columns import Kind, Role
from pipeline.catalogue import Catalogue
from pipeline.clock import ManualClock
from pipeline.config import BudgetSpec, ColumnSpec, StreamSpec, TimeUnit
from pipeline.lake.contents import PartitionContents
from pipeline.lifecycle.challenge import Challenging
from pipeline.lifecycle.inputs import Inputs
from pipeline.masking import Masker
from pipeline.model_store import ModelStore
from tests.jobs.archived import Archived

DAY_MS = 86_400_000
START_MS = 1_767_571_200_000


class ArchivedLake(Archived):
    """An archive in memory that also says what lies in it."""

    def contents(
        self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Sequence[PartitionContents]:
        return []

    def columns(self, stream: str) -> list[str]:
        return [] if self.table is None else list(self.table.column_names)


def archived(events: pa.Table, *, partitions: int = 1, time: str = "time") -> ArchivedLake:
    """Events as the archive holds them: with partition, offset and time."""
    number = np.arange(events.num_rows)
    extra = {
        "_partition": pa.array(number % partitions, pa.int32()),
        "_offset": pa.array(number // partitions, pa.int64()),
        "_row": pa.array(np.zeros(events.num_rows), pa.int32()),
        "_time": events[time].cast(pa.timestamp("ms", tz="UTC")),
    }
    for name, column in extra.items():
        events = events.append_column(name, column)
    return ArchivedLake(events)


def stream_of_readings(*, share: float | None = None, alerts_per_day: float = 20.0) -> StreamSpec:
    """Readings of sensors: two quantities that go together, and a state that goes with the sensor."""
    scored = frozenset({Role.FEATURE})
    budget = BudgetSpec(share_of_events=share) if share else BudgetSpec(alerts_per_day=alerts_per_day)
    return StreamSpec(
        stream="readings",
        topic="readings",
        columns=(
            ColumnSpec(name="time", kind=Kind.TIME, roles=frozenset({Role.TIME}), unit=TimeUnit.MILLISECONDS),
            ColumnSpec(name="sensor", kind=Kind.TEXT, roles=frozenset({Role.KEY})),
            ColumnSpec(name="load", kind=Kind.NUMERIC, roles=scored),
            ColumnSpec(name="heat", kind=Kind.NUMERIC, roles=scored),
            ColumnSpec(name="state", kind=Kind.CATEGORICAL, roles=scored),
            ColumnSpec(name="odd", kind=Kind.BOOLEAN, roles=frozenset({Role.LABEL})),
        ),
        budget=budget,
    )


def readings(
    days: float,
    *,
    rows_a_day: int = 1_500,
    start_ms: int = START_MS,
    shifted: bool = False,
    seed: int = 0,
    off: float = 12.0,
) -> pa.Table:
    """Readings in order of time; one in a hundred is odd: its heat is `off` from what goes with its load.

    `shifted`: heat rises otherwise with load, and states are others, for every sensor.
    """
    rng = np.random.default_rng(seed)
    n = round(days * rows_a_day)
    times = np.sort(rng.uniform(start_ms, start_ms + days * DAY_MS, n)).astype(np.int64)
    load = rng.normal(50.0, 10.0, n)
    heat = (160.0 - 2.0 * load if shifted else 20.0 + load) + rng.normal(0.0, 1.0, n)
    odd = rng.random(n) < 0.01
    heat[odd] += rng.choice([-off, off], int(odd.sum()))
    states = np.array(["idle", "busy", "full"])[np.digitize(load, [42.0, 58.0])]
    table = pa.table(
        {
            "time": pa.array(times, pa.timestamp("ms", tz="UTC")),
            "sensor": [f"s{number}" for number in rng.integers(0, 60, n)],
            "load": load,
            "heat": heat,
            "state": states,
            "odd": odd,
        }
    )
    return table.cast(stream_of_readings().schema())


def working(folder: Path, spec: StreamSpec, lake: ArchivedLake, catalogue: Catalogue) -> Challenging:
    """What a challenge works with, in a folder of its own."""
    return Challenging(
        spec=spec,
        lake=lake,
        store=ModelStore(folder / "models"),
        catalogue=catalogue,
        clock=ManualClock(),
        inputs=Inputs.of(spec, catalogue, Masker(spec)),
        by="service",
    )
