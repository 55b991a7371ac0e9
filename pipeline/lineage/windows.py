"""What something was made from, at the root of its lineage: a window of a stream's archive, or a file.

A window's fingerprint is made of which rows are in it: how many, of which offsets and times, by topic id and partition.
Those say which rows they are, since a record's offset is given out once and an archive only grows or is deleted. How
the rows are cut into files does not count, so compaction changes nothing; rows that arrived late, or were deleted, give
another fingerprint and so another window. A file's fingerprint is its content's hash.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from pipeline.bundles import canonical
from pipeline.lake.contents import PartitionContents

Span = tuple[int, int]
"""Milliseconds since the epoch: start ≤ time < end."""
SHORT = 12
"""Characters of a fingerprint that a window's id shows."""
ARCHIVE, FILE = "archive", "file"


class WindowedArchive(Protocol):
    """The part of the lake that says what lies in a window."""

    def contents(
        self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Sequence[PartitionContents]:
        """What a stream's archive holds with `start_ms` ≤ time < `end_ms`, by partition."""


def window_id(stream: str, start_ms: int, end_ms: int, fingerprint: str) -> str:
    """The id of the rows of an archive with `start_ms` ≤ time < `end_ms`, as lineage names it."""
    return f"{stream}:{start_ms}-{end_ms}:{fingerprint[:SHORT]}"


def file_id(name: str, sha256: str) -> str:
    """The id of a file's rows, as lineage names it; `name` is what the data is called."""
    return f"{name}:{FILE}:{sha256[:SHORT]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRef:
    """Rows that something was made from."""

    stream: str
    """The stream, or what a file's data is called."""
    kind: str
    """`archive` or `file`."""
    fingerprint: str
    """64 hexadecimal digits."""
    start_ms: int | None = None
    """Of an archive's window: start ≤ time < end."""
    end_ms: int | None = None
    without: tuple[Span, ...] = ()
    """Times inside it whose rows were left out, as they had been withdrawn."""
    rows: int
    partitions: tuple[PartitionContents, ...] = ()
    file: str | None = None
    """A file's name, without its folder."""

    @property
    def id(self) -> str:
        """As lineage names it."""
        if self.start_ms is None or self.end_ms is None:
            return file_id(self.stream, self.fingerprint)
        return window_id(self.stream, self.start_ms, self.end_ms, self.fingerprint)

    def document(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "id": self.id,
            "kind": self.kind,
            "stream": self.stream,
            "fingerprint": self.fingerprint,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "without": [list(span) for span in self.without],
            "rows": self.rows,
            "partitions": [asdict(part) for part in self.partitions],
            "file": self.file,
        }


def window_of(document: dict[str, Any]) -> WindowRef:
    """What `WindowRef.document` wrote."""
    facts = {name: value for name, value in document.items() if name not in ("id", "partitions", "without")}
    return WindowRef(
        **facts,
        without=tuple((low, high) for low, high in document["without"]),
        partitions=tuple(PartitionContents(**part) for part in document["partitions"]),
    )


def archive_window(
    lake: WindowedArchive,
    stream: str,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    without: Sequence[Span] = (),
) -> WindowRef:
    """The rows of a stream's archive with `start_ms` ≤ time < `end_ms`, less those of the spans left out; an end that
    is not given is the archive's own.

    A window without rows is one too. Footers are read, and times of row groups that lie across its edges. Raises
    StorageUnavailableError where a file cannot be read.
    """
    whole = lake.contents(stream, start_ms=start_ms, end_ms=end_ms)
    start = min((part.first_ms for part in whole), default=0) if start_ms is None else start_ms
    end = max((part.last_ms + 1 for part in whole), default=start) if end_ms is None else end_ms
    left_out = overlaps(start, end, without)
    found = tuple(whole) if not left_out else _together(lake, stream, remaining(start, end, left_out))
    return WindowRef(
        stream=stream,
        kind=ARCHIVE,
        fingerprint=hashlib.sha256(canonical({"rows": [asdict(part) for part in found]})).hexdigest(),
        start_ms=start,
        end_ms=end,
        without=left_out,
        rows=sum(part.rows for part in found),
        partitions=found,
    )


def overlaps(start_ms: int, end_ms: int, spans: Sequence[Span]) -> tuple[Span, ...]:
    """What of the spans lies in a window, in order, those that meet joined."""
    found: list[Span] = []
    for low, high in sorted((max(low, start_ms), min(high, end_ms)) for low, high in spans):
        if low >= high:
            continue
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return tuple(found)


def remaining(start_ms: int, end_ms: int, spans: Sequence[Span]) -> tuple[Span, ...]:
    """What of a window lies in none of the spans, in order."""
    edges = [start_ms, *(edge for span in overlaps(start_ms, end_ms, spans) for edge in span), end_ms]
    return tuple((low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high)


def _together(lake: WindowedArchive, stream: str, spans: Sequence[Span]) -> tuple[PartitionContents, ...]:
    """What lies in any of the spans, by partition."""
    found: dict[tuple[str, int], PartitionContents] = {}
    for start_ms, end_ms in spans:
        for part in lake.contents(stream, start_ms=start_ms, end_ms=end_ms):
            source = part.topic_id, part.partition
            found[source] = found[source].with_more(part) if source in found else part
    return tuple(found[source] for source in sorted(found))


def file_window(name: str, *, file: str, sha256: str, rows: int) -> WindowRef:
    """The rows of a file, known by the hash of its content."""
    return WindowRef(stream=name, kind=FILE, fingerprint=sha256, rows=rows, file=file)
