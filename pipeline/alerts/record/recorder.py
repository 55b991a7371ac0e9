"""The loop that writes a stream's alerts into the catalogue.

The database alone knows how far it is: offsets are written with the alerts, in one transaction, and a partition that
is assigned begins where the database says. Kafka's own offsets are not used. Whatever goes wrong between two
transactions, a crash of this process or of the database, ends the same way: everything read and not written is
dropped and read again from there. Alerts replace only lower revisions of themselves, so reading again changes nothing.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from pipeline.alerts.record.entry import entry_of
from pipeline.catalogue import AlertEntry, Catalogue, Place
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import BrokerUnavailableError, CatalogueUnavailableError, DataGapError, UnreadableAlertError
from pipeline.kafka.port import Block, Polled, Source, TopicPartition

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
BATCH_RECORDS = 500
RETRY_SECONDS = 2.0
MEASURE_SECONDS = 5.0
MOST_GAPS = 20
"""The newest that the heartbeat tells of."""


@dataclass(slots=True, kw_only=True)
class RecorderState:
    """What a recorder tells about itself; goes into its heartbeat."""

    recorded: int = 0
    """Messages about alerts that were written down, repeated ones included."""
    unreadable: int = 0
    """Records of the alerts topic that are no alerts."""
    lost: int = 0
    """Records deleted by retention before they could be written down."""
    gaps: list[dict[str, Any]] = field(default_factory=list)
    behind: int = 0
    """Offsets between what is written and the end of the topic."""
    joined: bool = False
    failing_since_ms: int | None = None
    last_error: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def group_name(stream: str) -> str:
    """The consumer group of a stream's recorders, and their name beside the offsets in the catalogue."""
    return f"eddyline.{stream}.record"


class Recorder:
    """Writes one stream's alerts down until told to stop."""

    def __init__(
        self,
        spec: StreamSpec,
        source: Source,
        catalogue: Catalogue,
        *,
        clock: Clock,
        beat: Callable[[RecorderState], None] = lambda state: None,
    ) -> None:
        self._topic, self._consumer = spec.alerts_topic, group_name(spec.stream)
        self._source, self._catalogue = source, catalogue
        self._clock, self._beat = clock, beat
        self._log = log.bind(stream=spec.stream)
        self._placed: dict[TopicPartition, Place] = {}
        self._next: dict[TopicPartition, int] = {}
        self._measure_at = float("-inf")
        self._unplaced: set[TopicPartition] = set()
        self._lock = threading.Lock()  # partitions may be taken away from the client's own thread
        self.state = RecorderState()

    def run(self, stop: threading.Event, *, wait: Callable[[float], bool] | None = None) -> None:
        """Work until `stop` is set. `wait` sleeps so many seconds and says whether to stop.

        Raises FencedError when another process took this one's place, and ConfigError at an alert that a later
        version wrote: passing over it would lose it.
        """
        wait = wait or stop.wait
        self._source.subscribe([self._topic], self)
        try:
            while not stop.is_set():
                self.turn(wait)
        finally:
            self._source.close()

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Another reads them from what the database says."""
        with self._lock:
            self._unplaced -= partitions
            for partition in partitions:
                self._placed.pop(partition, None)

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is read from them before the database has said from where."""
        self._source.pause(sorted(partitions))
        self.state.joined = True
        with self._lock:
            self._unplaced |= partitions

    def turn(self, wait: Callable[[float], bool]) -> None:
        """Place what is new, fetch once, write what came."""
        try:
            self._place()
            polled = self._poll()
            entries, offsets = self._read(polled)
            if offsets:
                self._catalogue.record_alerts(entries, offsets, self._consumer)
                self.state.recorded += len(entries)
                self._log.info("alerts_recorded", alerts=len(entries))
                self._next |= {TopicPartition(p.topic, p.partition): offset for p, offset in offsets.items()}
            self._measure()
        except CatalogueUnavailableError as error:
            self._start_over()
            self._failed("catalogue_unavailable", error)
            self._keep_place(wait)
        except BrokerUnavailableError as error:
            self._failed("broker_unavailable", error)
            wait(RETRY_SECONDS)
        else:
            self._working()
        self._beat(self.state)

    def _place(self) -> None:
        """Seek what is newly assigned to where the database says, of this incarnation of the topic."""
        with self._lock:
            waiting = sorted(self._unplaced)
        if not waiting:
            return
        known = self._catalogue.consumer_offsets(self._consumer, self._topic)
        places = {tp: Place(tp.topic, self._source.topic_id(tp.topic), tp.partition) for tp in waiting}
        beginnings = self._source.beginning_offsets(waiting)
        for partition, place in places.items():
            self._next[partition] = known.get(place, beginnings[partition])
            self._source.seek(partition, self._next[partition])
        with self._lock:
            kept = [partition for partition in waiting if partition in self._unplaced]
            self._placed |= {partition: places[partition] for partition in kept}
            self._unplaced -= set(kept)
        self._source.resume(kept)

    def _poll(self) -> Polled | None:
        try:
            return self._source.poll(timeout_seconds=POLL_SECONDS, max_records=BATCH_RECORDS)
        except DataGapError as error:
            self.state.lost += sum(gap.available - gap.expected for gap in error.gaps)
            self.state.gaps = [*self.state.gaps, *(gap._asdict() for gap in error.gaps)][-MOST_GAPS:]
            self._log.error("alerts_lost", error=str(error))
            return None

    def _read(self, polled: Polled | None) -> tuple[list[AlertEntry], dict[Place, int]]:
        """Entries of what came, and where their partitions go on."""
        entries: list[AlertEntry] = []
        offsets: dict[Place, int] = {}
        with self._lock:
            placed = dict(self._placed)
        for block in polled.blocks if polled is not None else ():
            if block.source in placed:  # else it came with its assignment, from wherever
                entries += self._entries(block)
                offsets[placed[block.source]] = block.next_offset
        return entries, offsets

    def _entries(self, block: Block) -> list[AlertEntry]:
        entries = []
        for offset, value in zip(block.offsets, block.values, strict=True):
            if value is None:
                continue
            try:
                entries.append(entry_of(value))
            except UnreadableAlertError as error:
                self.state.unreadable += 1
                self.state.last_error = str(error)
                place = {"partition": block.source.partition, "offset": int(offset)}
                self._log.error("unreadable_alert", **place, error=str(error))
        return entries

    def _start_over(self) -> None:
        """Forget what was read: all partitions are placed anew once the database answers."""
        with self._lock:
            self._unplaced |= set(self._placed)
            self._placed.clear()
            waiting = sorted(self._unplaced)
        self._source.pause([partition for partition in waiting if partition in self._source.assignment()])

    def _keep_place(self, wait: Callable[[float], bool]) -> None:
        """Wait a little, and let the group hear of us: what is fetched meanwhile is dropped and read again."""
        if wait(RETRY_SECONDS):
            return
        try:
            self._source.poll(timeout_seconds=0.0, max_records=BATCH_RECORDS)
        except DataGapError:
            pass  # met again, and recorded, when it is read from the database's offset
        except BrokerUnavailableError as error:
            self._failed("broker_unavailable", error)

    def _failed(self, event: str, error: Exception) -> None:
        if self.state.failing_since_ms is None:
            self.state.failing_since_ms = self._clock.now_ms()
            self._log.warning(event, error=str(error))
        self.state.last_error = str(error)

    def _working(self) -> None:
        if self.state.failing_since_ms is not None:
            self._log.info("recording_again")
            self.state.failing_since_ms = None

    def _measure(self) -> None:
        """How far behind the topic's end we are, every few seconds."""
        if self._clock.monotonic() < self._measure_at:
            return
        self._measure_at = self._clock.monotonic() + MEASURE_SECONDS
        with self._lock:
            placed = sorted(self._placed)
        ends = self._source.end_offsets(placed) if placed else {}
        self.state.behind = sum(max(0, end - self._next.get(partition, end)) for partition, end in ends.items())
