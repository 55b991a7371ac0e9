"""A published dataset as events to be played into a topic: in order of time, under a spec where one is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from detectors.columns import Role, names_with_role
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError
from pipeline.event_files import conform
from pipeline.lake.lake import Lake


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetEvents:
    """What a replay asks of a file of events, of a dataset."""

    lake: Lake
    stream: str
    dataset_id: str
    time: str | None
    """The column that the rows are in order of; None leaves them as they were made."""
    key: str | None
    """The column that names the entity, where there is one."""
    spec: StreamSpec | None
    rows: int

    @classmethod
    def open(
        cls, lake: Lake, stream: str, dataset_id: str, *, spec: StreamSpec | None, time: str | None
    ) -> "DatasetEvents":
        """Look at a dataset. Raises ConfigError where it is not published or shares no column with the spec."""
        reader = lake.synthetic_reader(stream, dataset_id)
        named = time or next(iter(names_with_role(reader.schema, Role.TIME)), None)
        key = next(iter(names_with_role(reader.schema, Role.KEY)), None)
        if spec is not None and not {column.name for column in spec.columns} & set(reader.schema.names):
            raise ConfigError(
                f"dataset {dataset_id} has none of the columns of stream {spec.stream!r}: name another --stream"
            )
        return cls(lake=lake, stream=stream, dataset_id=dataset_id, time=named, key=key, spec=spec, rows=reader.rows)

    @property
    def path(self) -> Path:
        """What it is called while it is played."""
        return Path(self.dataset_id)

    def batches(self, *, limit: int | None = None) -> Iterator[pa.RecordBatch]:
        """At most `limit` rows, in order of time; memory is bounded."""
        left = self.rows if limit is None else limit
        for batch in self.lake.iterate_synthetic(self.stream, self.dataset_id, time=self.time):
            if left <= 0:
                return
            part = batch.slice(0, left)
            left -= part.num_rows
            if part.num_rows:
                yield part if self.spec is None else conform(part, self.spec)
