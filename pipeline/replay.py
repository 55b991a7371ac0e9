"""Replay: a file's events into a topic, keyed, paced, in bounded memory.

Nothing is remembered of a replay that was cut short: starting it again starts at the file's beginning, and what was
sent stays sent.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from pipeline.kafka.port import Producer
from pipeline.pacing import Floats, Pacer
from pipeline.records import RecordMaker, times_ms

_SLICE_ROWS = 8_192
Wait = Callable[[float], bool]
"""Waits so many seconds; true when the replay is to stop (`threading.Event.wait`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay did."""

    rows: int
    records: int
    seconds: float
    stopped: bool
    """It was asked to stop before the end."""


class Replay:
    """One pass over a file's batches. Not for use twice."""

    def __init__(
        self,
        *,
        maker: RecordMaker,
        producer: Producer,
        pacer: Pacer,
        wait: Wait,
        on_rows: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """`on_rows` is told how many more rows were handed to the producer."""
        self._maker, self._producer, self._pacer = maker, producer, pacer
        self._wait, self._on_rows = wait, on_rows
        self._rows = self._records = 0

    def run(self, batches: Iterable[pa.RecordBatch]) -> Replayed:
        """Send every event when it is due, then wait until all are acknowledged.

        Raises BrokerUnavailableError from the producer, ConfigError for a missing key or time column.
        """
        stopped = False
        for batch in batches:
            times = times_ms(batch, self._maker.time) if self._maker.time is not None else None
            stopped = not self._send(batch, self._pacer.due_seconds(batch.num_rows, times))
            if stopped:
                break
        self._producer.flush()
        seconds = self._pacer.elapsed_seconds()
        return Replayed(rows=self._rows, records=self._records, seconds=seconds, stopped=stopped)

    def _send(self, batch: pa.RecordBatch, due: Floats) -> bool:
        """False when asked to stop."""
        first = 0
        while first < batch.num_rows:
            end = min(self._pacer.ready(due, first), first + _SLICE_ROWS)
            if self._wait(self._pacer.wait_seconds(due, first) if end == first else 0.0):
                return False
            if end > first:
                self._hand_over(batch.slice(first, end - first))
            first = end
        return True

    def _hand_over(self, rows: pa.RecordBatch) -> None:
        for record in self._maker.records(rows):
            self._producer.send(record)
            self._records += 1
        self._rows += rows.num_rows
        self._on_rows(rows.num_rows)
