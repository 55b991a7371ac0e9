"""What leaves a scorer, as records: scores (one Arrow record per batch and partition, split when large) and alerts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from detectors.base import FloatArray
from pipeline.alerts.model import Alert
from pipeline.alerts.wire import encode_alert
from pipeline.codecs.base import Int32Array
from pipeline.config import StreamSpec
from pipeline.kafka.port import Int64Array, OutRecord, TopicPartition
from pipeline.scoring.forward import ScoredPiece

SCORES_SCHEMA_VERSION = 1
ROWS_PER_RECORD = 25_000
"""At 29 bytes a row, below a broker's default limit of 1 MiB a record."""

SCORES_SCHEMA = pa.schema(
    [
        pa.field("offset", pa.int64()),
        pa.field("row", pa.int32()),
        pa.field("time_ms", pa.int64()),
        pa.field("score_nats", pa.float32()),
        pa.field("tail_probability", pa.float32()),
        pa.field("flagged", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where one partition's scored rows lie and what they scored. All arrays have shape (B,)."""

    offsets: Int64Array
    rows: Int32Array
    time_ms: Int64Array
    scores: FloatArray
    tail: FloatArray
    flags: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, pieces: Sequence[ScoredPiece]) -> "Places":
        """The places of consecutive pieces."""
        return cls(
            offsets=np.concatenate([p.taken.offsets for p in pieces]),
            rows=np.concatenate([p.taken.rows for p in pieces]),
            time_ms=np.concatenate([p.taken.time_ms for p in pieces]),
            scores=np.concatenate([p.scores_B for p in pieces]),
            tail=np.concatenate([p.tail_B for p in pieces]),
            flags=np.concatenate([p.flags_B for p in pieces]),
        )


def score_records(spec: StreamSpec, source: TopicPartition, model_id: str, places: Places) -> Iterator[OutRecord]:
    """The scores of one partition's rows, in order."""
    if not len(places.scores):
        return
    metadata = {
        "eddyline.version": str(SCORES_SCHEMA_VERSION),
        "eddyline.stream": spec.stream,
        "eddyline.topic": source.topic,
        "eddyline.partition": str(source.partition),
        "eddyline.model": model_id,
    }
    columns = [
        pa.array(places.offsets),
        pa.array(places.rows),
        pa.array(places.time_ms),
        pa.array(places.scores.astype(np.float32)),
        pa.array(places.tail.astype(np.float32)),
        pa.array(places.flags),
    ]
    batch = pa.record_batch(columns, schema=SCORES_SCHEMA.with_metadata(metadata))
    for start in range(0, batch.num_rows, ROWS_PER_RECORD):
        yield OutRecord(spec.scores_topic, to_ipc(batch.slice(start, ROWS_PER_RECORD)), partition=source.partition)


def to_ipc(batch: pa.RecordBatch) -> bytes:
    """One Arrow IPC stream with its schema."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def alert_records(spec: StreamSpec, alerts: Sequence[Alert]) -> list[OutRecord]:
    """Alerts for the alerts topic, keyed by id so that one alert's messages stay in order."""
    return [OutRecord(spec.alerts_topic, encode_alert(a), key=a.id.encode()) for a in alerts]


def changelog_records(
    spec: StreamSpec, partition: int, changes: Sequence[tuple[bytes, bytes | None]]
) -> list[OutRecord]:
    """Changes of episodes for the compacted changelog, in the partition they were made in."""
    return [OutRecord(spec.episodes_topic, value, key=key, partition=partition) for key, value in changes]
