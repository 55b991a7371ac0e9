"""A block of raw records → the rows that can be used and the rejects. Scorer and archiver both read through here."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from pipeline.codecs.base import Decoded, Int32Array, Reject, RejectReason
from pipeline.codecs.registry import make_codec
from pipeline.config import CodecFormat, StreamSpec
from pipeline.kafka.port import Block, Int64Array
from pipeline.schema import Contract, field_report


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a block came to. B rows, in record and row order."""

    batch: pa.RecordBatch
    """Rows that decode and keep the contract, under the stream's schema."""
    offsets: Int64Array
    """Shape (B,): offset of the record each row came from."""
    rows: Int32Array
    """Shape (B,): row within that record."""
    append_ms: Int64Array
    """Shape (B,): the record's timestamp."""
    time_ms: Int64Array
    """Shape (B,): event time where the row has one, else `append_ms`."""
    rejects: tuple[Reject, ...]
    """By record, then row; `record` is the index in the block."""
    unknown_fields: frozenset[str] = frozenset()
    """Fields seen that the spec does not have."""
    absent_columns: frozenset[str] = frozenset()
    """Columns without a single value in this block."""


class Intake:
    """Decodes and checks blocks of one stream. For use from one thread at a time; raises nothing on any bytes."""

    def __init__(self, spec: StreamSpec) -> None:
        self._codec = make_codec(spec)
        self._contract = Contract(spec)
        self._rows_are_records = spec.format is CodecFormat.JSON
        self._schema = spec.schema()

    def take(self, block: Block) -> Taken:
        """The block's rows and rejects: decoded, then held to the contract."""
        decoded = self._codec.decode(block.values)
        append_ms = block.timestamps_ms[decoded.record]
        time_ms = self._contract.event_times_ms(decoded.batch, append_ms)
        bad = self._contract.check(decoded.batch, append_ms, time_ms)
        if bad:
            keep = np.ones(len(decoded.record), np.bool_)
            keep[[b.row for b in bad]] = False
            rejects = [self._reject(decoded, b.row, b.reason, b.detail) for b in bad]
            ordered = sorted([*decoded.rejects, *rejects], key=lambda r: (r.record, r.row or 0))
            decoded = replace(
                decoded,
                batch=decoded.batch.filter(pa.array(keep)),
                record=decoded.record[keep],
                row=decoded.row[keep],
                rejects=tuple(ordered),
            )
            append_ms, time_ms = append_ms[keep], time_ms[keep]
        report = field_report(decoded.batch, decoded.unknown_fields)
        return Taken(
            batch=decoded.batch,
            offsets=block.offsets[decoded.record],
            rows=decoded.row,
            append_ms=append_ms,
            time_ms=time_ms,
            rejects=decoded.rejects,
            unknown_fields=report.added,
            absent_columns=report.absent,
        )

    def refuse(self, block: Block) -> Taken:
        """Every record rejected without being decoded: the process died at this block three times."""
        detail = "the process died at this record three times; report it with its bytes"
        none = np.empty(0, np.int64)
        return Taken(
            batch=pa.RecordBatch.from_arrays([pa.array([], f.type) for f in self._schema], schema=self._schema),
            offsets=none,
            rows=np.empty(0, np.int32),
            append_ms=none,
            time_ms=none,
            rejects=tuple(
                Reject(record=i, row=None, reason=RejectReason.POISON, detail=detail) for i in range(len(block))
            ),
        )

    def _reject(self, decoded: Decoded, at: int, reason: RejectReason, detail: str) -> Reject:
        row = None if self._rows_are_records else int(decoded.row[at])
        return Reject(record=int(decoded.record[at]), row=row, reason=reason, detail=detail)
