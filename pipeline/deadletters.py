"""Rejected events as records of the dead-letter topic, and back.

The value is the event's raw bytes (of a record of many rows, the rejected row alone as an Arrow stream), the key the
original one; what is known about it travels in headers named `eddyline.*`. A value too large for a record is cut; its
full length and SHA-256, and the source offset, say what it was.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.codecs.arrow import row_of
from pipeline.codecs.base import Reject, RejectReason
from pipeline.config import CodecFormat, StreamSpec
from pipeline.kafka.port import Block, OutRecord

Headers = tuple[tuple[str, bytes], ...]
PREFIX = "eddyline."
MAX_VALUE_BYTES = 900_000
"""Fits a record within Kafka's default limit of 1 MiB, headers and key included."""
_MAX_KEY_BYTES = 64_000
_MAX_DETAIL_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One rejected event as read back from the dead-letter topic."""

    stream: str
    topic: str
    partition: int
    offset: int
    row: int | None
    """Row within the record; None where the whole record was rejected."""
    reason: RejectReason
    detail: str
    append_ms: int
    """The source record's timestamp."""
    length: int
    """Bytes of the whole value."""
    sha256: str
    """Of the whole value, hexadecimal."""
    cut: bool
    """Whether `value` is only the beginning."""
    key: bytes | None
    value: bytes | None


def dead_letter_records(spec: StreamSpec, block: Block, rejects: Iterable[Reject]) -> list[OutRecord]:
    """One record per reject of a block, in order, for the stream's dead-letter topic."""
    return [_record(spec, block, reject) for reject in rejects]


def parse_dead_letter(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> DeadLetter:
    """A record of a dead-letter topic. Raises ValueError where it is none of ours."""
    found = {
        name.removeprefix(PREFIX): raw.decode("utf-8", "replace") for name, raw in headers if name.startswith(PREFIX)
    }
    try:
        return DeadLetter(
            stream=found["stream"],
            topic=found["topic"],
            partition=int(found["partition"]),
            offset=int(found["offset"]),
            row=int(found["row"]) if found.get("row") else None,
            reason=RejectReason(found["reason"]),
            detail=found["detail"],
            append_ms=int(found["append_ms"]),
            length=int(found["length"]),
            sha256=found["sha256"],
            cut=found["cut"] == "true",
            key=key,
            value=value,
        )
    except KeyError as error:
        raise ValueError(f"the header {PREFIX}{error.args[0]} is missing: no dead letter of eddyline's") from None


def _record(spec: StreamSpec, block: Block, reject: Reject) -> OutRecord:
    whole = block.values[reject.record]
    if whole is not None and reject.row is not None and spec.format is CodecFormat.ARROW:
        whole = row_of(whole, reject.row)
    raw = whole or b""
    cut = len(raw) > MAX_VALUE_BYTES
    key = block.keys[reject.record]
    about = {
        "stream": spec.stream,
        "topic": block.source.topic,
        "partition": str(block.source.partition),
        "offset": str(int(block.offsets[reject.record])),
        "row": "" if reject.row is None else str(reject.row),
        "reason": reject.reason.value,
        "detail": reject.detail[:_MAX_DETAIL_CHARACTERS],
        "append_ms": str(int(block.timestamps_ms[reject.record])),
        "length": str(len(raw)),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "cut": "true" if cut else "false",
    }
    return OutRecord(
        spec.dead_letters_topic,
        raw[:MAX_VALUE_BYTES] if cut else whole,
        key=key[:_MAX_KEY_BYTES] if key is not None else None,
        headers=tuple((PREFIX + name, text.encode("utf-8", "replace")) for name, text in about.items()),
    )
