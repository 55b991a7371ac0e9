"""The quality gate before training, as training asks it: withdrawn times are neither judged nor learned from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.lake.contents import PartitionContents
from pipeline.lake.in_order import PartitionRows
from pipeline.lifecycle.rows import Sort, inside, low_quality
from pipeline.lineage.windows import Span, overlaps, remaining

if TYPE_CHECKING:
    from pipeline.commands.context import Context
    from pipeline.expectations.window import WindowArchive


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether a window may be learned from, and which of its rows may not."""

    passed: bool = True
    reasons: tuple[str, ...] = ()
    document: dict[str, Any] = field(default_factory=dict)
    sorts: tuple[Sort, ...] = ()
    """Of rows that are left out by the stream's expectations."""


def gate_of(
    spec: StreamSpec,
    context: "Context",
    *,
    start_ms: int,
    end_ms: int,
    without: Sequence[Span],
    clock: Clock,
) -> Gate:
    """The verdict over a window; it passes where the stream has no expectations yet, or asks for no gate.

    Raises ConfigError where the file of expectations has errors.
    """
    from pipeline.expectations.gate import check_window
    from pipeline.expectations.suite_file import suite_path, usable_suite

    suite = usable_suite(suite_path(context.settings, spec.stream), spec)
    sorts = () if suite is None else (low_quality(suite, tuple(column.name for column in spec.columns)),)
    if not spec.quality.gate:
        return Gate(sorts=sorts, document={"notes": ["the stream's spec asks for no gate"]})
    kept = WithoutTimes(context.lake(), overlaps(start_ms, end_ms, without))
    found = check_window(spec, kept, start_ms=start_ms, end_ms=end_ms, suite=suite, clock=clock)
    return Gate(passed=found.passed, reasons=found.reasons, document=found.document, sorts=sorts)


class WithoutTimes:
    """An archive without the rows of some spans of time."""

    def __init__(self, archive: "WindowArchive", spans: Sequence[Span]) -> None:
        self._archive, self._spans = archive, tuple(spans)

    def contents(
        self, stream: str, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> Sequence[PartitionContents]:
        """What lies in a window, by partition and piece between spans."""
        if not self._spans or start_ms is None or end_ms is None:
            return self._archive.contents(stream, start_ms=start_ms, end_ms=end_ms)
        pieces = remaining(start_ms, end_ms, self._spans)
        return [part for low, high in pieces for part in self._archive.contents(stream, start_ms=low, end_ms=high)]

    def iterate_in_order(
        self,
        stream: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        columns: Sequence[str] | None = None,
        history: bool = False,
    ) -> Iterator[PartitionRows]:
        """Rows partition by partition in order of offset."""
        for rows in self._archive.iterate_in_order(
            stream, start_ms=start_ms, end_ms=end_ms, columns=columns, history=history
        ):
            kept = np.flatnonzero(~inside(rows.times_ms, self._spans))
            if len(kept) == len(rows.times_ms):
                yield rows
            elif len(kept):
                batch = rows.batch.take(pa.array(kept))
                yield PartitionRows(rows.topic_id, rows.partition, batch, rows.times_ms[kept])
