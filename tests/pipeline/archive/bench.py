"""A stream of numbers on the broker in memory, an archiver stepped by hand, and what its archive holds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.columns import Kind, Role
from pipeline.archive import Archiver
from pipeline.clock import ManualClock
from pipeline.config import ArchiveSpec, BudgetSpec, ColumnSpec, Settings, StreamSpec
from pipeline.kafka.port import Block, Int64Array, OutRecord
from pipeline.lake import Lake
from tests.fakes import MemoryBroker

TOPIC = "numbers"


@dataclass(frozen=True)
class Numbers:
    """A block's rows."""

    batch: pa.RecordBatch
    offsets: Int64Array
    rows: np.ndarray[tuple[int], np.dtype[np.int32]]
    append_ms: Int64Array
    time_ms: Int64Array
    rejects: tuple[int, ...]


class NumberIntake:
    """Values are decimal numbers; anything else is rejected. Stands in for the pipeline's intake."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema

    def take(self, block: Block) -> Numbers:
        good = [i for i, value in enumerate(block.values) if value is not None and value.isdigit()]
        values = [float(block.values[i] or b"") for i in good]
        columns = [pa.array(values, field.type) for field in self._schema]
        return Numbers(
            batch=pa.RecordBatch.from_arrays(columns, schema=self._schema),
            offsets=block.offsets[good],
            rows=np.zeros(len(good), np.int32),
            append_ms=block.timestamps_ms[good],
            time_ms=block.timestamps_ms[good],
            rejects=tuple(sorted(set(range(len(block))) - set(good))),
        )


def number_spec(archive: ArchiveSpec | None = None, columns: tuple[str, ...] = ("value",)) -> StreamSpec:
    return StreamSpec(
        stream="numbers",
        topic=TOPIC,
        columns=tuple(ColumnSpec(name=c, kind=Kind.NUMERIC, roles=frozenset({Role.FEATURE})) for c in columns),
        budget=BudgetSpec(alerts_per_day=1.0),
        archive=archive or ArchiveSpec(roll_rows=10),
    )


class ArchiveBench:
    """One broker, one lake, one clock; archivers come and go."""

    def __init__(self, root: Path, spec: StreamSpec | None = None, *, partitions: int = 1) -> None:
        self.clock = ManualClock()
        self.broker = MemoryBroker(self.clock.now_ms())
        self.topic_id = self.broker.add_topic(TOPIC, partitions)
        self.lake = Lake(root)
        self.spec = spec or number_spec()

    def produce(self, count: int, *, partition: int = 0, value: bytes | None = None) -> None:
        log = self.broker.log(TOPIC, partition)
        for _ in range(count):
            number = str(log.next_offset).encode() if value is None else value
            log.append(OutRecord(TOPIC, number), self.clock.now_ms())

    def archiver(self, *, slot: int = 0) -> Archiver:
        archiver = Archiver(
            Settings(instance="test"),
            self.spec,
            self.broker,
            self.lake,
            self.clock,
            intake=NumberIntake(self.spec.schema()),
            slot=slot,
        )
        archiver.open()
        return archiver

    def turns(self, archiver: Archiver, count: int = 4, *, seconds: float = 0.5) -> None:
        for _ in range(count):
            archiver.turn()
            self.clock.advance(seconds)

    def finish(self, archiver: Archiver) -> None:
        self.turns(archiver)
        archiver.drain()
        archiver.close()

    def ranges(self, topic_id: str | None = None, partition: int = 0) -> list[tuple[int, int]]:
        wanted = topic_id or self.topic_id
        files = self.lake.files(self.spec.stream)
        return [(f.first, f.next_offset) for f in files if f.topic_id == wanted and f.partition == partition]

    def offsets(self, topic_id: str | None = None, partition: int = 0) -> list[int]:
        """Every row of every published file, duplicates and all."""
        folder = self.lake.real(self.spec.stream) / (topic_id or self.topic_id)
        paths = folder.glob(f"date=*/p{partition}-*.parquet")
        return sorted(o for p in paths for o in pq.read_table(p, columns=["_offset"])["_offset"].to_pylist())

    def leftovers(self) -> list[Path]:
        return sorted(self.lake.root.glob("**/*.tmp"))
