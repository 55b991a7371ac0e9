"""Events to learn a spec from: out of a file, or off a topic."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from pipeline.codecs.arrow import open_record
from pipeline.codecs.json_strict import RecordError
from pipeline.config import CodecFormat
from pipeline.errors import ConfigError
from pipeline.event_files import EventFile
from pipeline.kafka.port import Broker, TopicPartition
from pipeline.sampling import MAX_ROWS

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """A sample of events."""

    events: pa.Table | list[dict[str, Any]]
    format: CodecFormat
    """How they would lie, or do lie, in records."""
    unreadable: int = 0
    """Of those looked at."""


def events_of_file(path: Path) -> Events:
    """The first events of a .parquet, .csv or JSON-lines file. Raises ConfigError where it is none of these."""
    if path.suffix.lower() in JSON_SUFFIXES:
        return _of_lines(path)
    opened = EventFile.open(path)
    batches = list(opened.batches(limit=MAX_ROWS))
    table = pa.Table.from_batches(batches, schema=batches[0].schema if batches else opened.schema)
    return Events(events=table, format=CodecFormat.JSON)


def events_of_topic(broker: Broker, topic: str, *, timeout_seconds: float) -> Events:
    """The newest events of a topic, a share of each partition. Commits nothing.

    Raises ConfigError where the topic does not exist, or brings nothing that can be read in time.
    """
    admin = broker.admin()
    try:
        found = admin.describe([topic])
        if topic not in found:
            raise ConfigError(
                f"there is neither a file nor a topic {topic!r}: correct the name, or the broker's address"
            )
        partitions = [TopicPartition(topic, p) for p in range(found[topic].partitions)]
        ends = admin.latest_offsets(partitions)
    finally:
        admin.close()
    values = _newest(broker, topic, ends, timeout_seconds) if sum(ends.values()) else []
    if not values:
        raise ConfigError(f"the topic {topic} has no events yet: send some first, or start from a file")
    return _of_values(values, topic)


@dataclass(slots=True)
class _FromTheEnd:
    """Starts every partition a share of the sample before its end."""

    ends: dict[TopicPartition, int]
    source: Any
    assigned: set[TopicPartition] = field(default_factory=set)

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is held."""

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Go back from the end."""
        share = -(-MAX_ROWS // len(self.ends))
        for partition in partitions:
            self.source.seek(partition, max(self.ends.get(partition, 0) - share, 0))
        self.assigned |= partitions


def _newest(broker: Broker, topic: str, ends: dict[TopicPartition, int], timeout_seconds: float) -> list[bytes]:
    source = broker.source(group=f"eddyline.init.{uuid.uuid4().hex}")
    values: list[bytes] = []
    waits = max(1, round(timeout_seconds / _POLL_SECONDS))
    empty = 0
    try:
        source.subscribe([topic], _FromTheEnd(ends, source))
        while len(values) < MAX_ROWS and empty < waits:
            polled = source.poll(timeout_seconds=_POLL_SECONDS, max_records=MAX_ROWS)
            values += [value for block in polled.blocks for value in block.values if value]
            empty = 0 if polled.blocks else empty + 1
            done = source.assignment()
            if len(done) == len(ends) and all(source.position(p) >= ends[p] for p in done):
                break
    finally:
        source.close()
    return values


def _of_values(values: Sequence[bytes], topic: str) -> Events:
    objects = [event for value in values if isinstance(event := _json(value), dict)]
    if objects:
        return Events(events=objects, format=CodecFormat.JSON, unreadable=len(values) - len(objects))
    tables = [table for value in values[:100] if (table := _arrow(value)) is not None]
    if not tables:
        raise ConfigError(
            f"no record of {topic} is a JSON object or an Arrow stream: these are the formats that are read"
        )
    alike = [t for t in tables if t.schema.equals(tables[0].schema)]
    return Events(events=pa.concat_tables(alike), format=CodecFormat.ARROW)


def _of_lines(path: Path) -> Events:
    try:
        with path.open("rb") as lines:
            values = [line for line in islice(lines, MAX_ROWS) if line.strip()]
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): correct the path") from error
    objects = [event for value in values if isinstance(event := _json(value), dict)]
    if not objects:
        raise ConfigError(f"{path} has no JSON object on a line of its own: write one event a line")
    return Events(events=objects, format=CodecFormat.JSON, unreadable=len(values) - len(objects))


def _json(value: bytes) -> Any:
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def _arrow(value: bytes) -> pa.Table | None:
    try:
        return pa.Table.from_batches([open_record(value)])
    except RecordError:
        return None
