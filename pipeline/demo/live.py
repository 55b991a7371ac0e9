"""What comes out of the scorer while the demo runs: scores of every live event, alerts, and how long they took.

Shape legend: N live events, in the order they are sent.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.alerts.model import Alert
from pipeline.alerts.wire import decode_alert
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import EddylineError
from pipeline.kafka.port import Block, Source, TopicPartition
from pipeline.records import partition_of

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where each live event lies in a fresh topic: partitions are decided by key, offsets count up from 0."""

    partition: Int64s
    """Shape (N,)."""
    offset: Int64s
    """Shape (N,)."""
    rows: tuple[Int64s, ...]
    """For each partition, the event at each offset."""

    @classmethod
    def of_keys(cls, keys: list[bytes | None], partitions: int) -> "Places":
        """Events in the order sent; without keys everything must go to one partition."""
        if partitions == 1:
            partition = np.zeros(len(keys), np.int64)
        else:
            partition = np.array([partition_of(key or b"", partitions) for key in keys], np.int64)
        offset = np.zeros(len(keys), np.int64)
        rows = tuple(np.flatnonzero(partition == number) for number in range(partitions))
        for chosen in rows:
            offset[chosen] = np.arange(len(chosen))
        return cls(partition=partition, offset=offset, rows=rows)


@dataclass(slots=True)
class Outcome:
    """What is known of N live events. Written by the reader's thread; moments are milliseconds since the epoch."""

    sent_ms: Floats
    scored_ms: Floats
    """NaN until the score was read."""
    scores: Floats
    flagged: npt.NDArray[np.bool_]
    alerts: dict[str, Alert] = field(default_factory=dict)
    """Each alert's latest revision."""
    opened: int = 0
    alert_delays_ms: list[float] = field(default_factory=list)
    """From sending an alert's first event to reading the alert."""

    @classmethod
    def empty(cls, rows: int) -> "Outcome":
        """Nothing sent yet."""
        return cls(np.full(rows, np.nan), np.full(rows, np.nan), np.full(rows, np.nan), np.zeros(rows, np.bool_))

    def first(self, rows: int) -> "Outcome":
        """Only the events that were sent; alerts stay."""
        return replace(
            self,
            sent_ms=self.sent_ms[:rows],
            scored_ms=self.scored_ms[:rows],
            scores=self.scores[:rows],
            flagged=self.flagged[:rows],
        )

    @property
    def scored(self) -> int:
        """Events whose score was read."""
        return int(np.count_nonzero(~np.isnan(self.scored_ms)))


class LiveReader(threading.Thread):
    """Reads the alerts and scores topics until stopped; `failure` says why it ended by itself.

    `on_alert` is told of every message on the alerts topic, with the live event that was the alert's latest then.
    """

    def __init__(
        self,
        spec: StreamSpec,
        source: Source,
        places: Places,
        outcome: Outcome,
        clock: Clock,
        on_alert: Callable[[Alert, int], None],
    ) -> None:
        super().__init__(name="eddyline-demo-reader", daemon=True)
        self._spec, self._source, self._places, self._outcome = spec, source, places, outcome
        self._clock, self._on_alert = clock, on_alert
        self._stop_event = threading.Event()
        self.joined = threading.Event()
        self.failure: EddylineError | None = None

    def run(self) -> None:
        """Read until stopped."""
        try:
            self._source.subscribe([self._spec.alerts_topic, self._spec.scores_topic], self)
            while not self._stop_event.is_set():
                for block in self._source.poll(timeout_seconds=POLL_SECONDS, max_records=2_000).blocks:
                    self._take(block)
        except EddylineError as error:
            self.failure = error
        finally:
            self._source.close()

    def stop(self) -> None:
        """Read no more."""
        self._stop_event.set()

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """The group is joined."""
        if partitions:
            self.joined.set()

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is held."""

    def _take(self, block: Block) -> None:
        for value in block.values:
            if value is None:
                continue
            if block.source.topic == self._spec.scores_topic:
                self._scores(block.source.partition, value)
            else:
                self._alert(decode_alert(value))

    def _scores(self, partition: int, value: bytes) -> None:
        table = pa.ipc.open_stream(value).read_all()
        rows = self._places.rows[partition][table["offset"].to_numpy()]
        self._outcome.scores[rows] = table["score_nats"].to_numpy()
        self._outcome.flagged[rows] = table["flagged"].to_numpy()
        self._outcome.scored_ms[rows] = self._clock.now_ms()

    def _alert(self, alert: Alert) -> None:
        known = self._outcome.alerts.get(alert.id)
        row = int(self._places.rows[alert.partition][alert.last_offset])
        if known is None:
            self._outcome.opened += 1
            self._outcome.alert_delays_ms.append(self._clock.now_ms() - float(self._outcome.sent_ms[row]))
        if known is None or alert.revision >= known.revision:
            self._outcome.alerts[alert.id] = alert
        self._on_alert(alert, row)
