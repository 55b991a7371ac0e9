"""The archiver's loop: poll, decode, gather, close files by commit and publication.

A resume starts at the committed offset of this incarnation of the topic, else at the archive's high-water mark, else
at the first record. Whatever goes wrong, the remedy is the same: let go of the open file and begin the partition
again from what is committed (`Publisher.begin`), so there is one way to recover and every failure tests it.
"""

import socket
import threading
from collections.abc import Callable

import structlog

from pipeline.archive.assignments import Assignments
from pipeline.archive.intake_port import TakesBlocks
from pipeline.archive.open_ranges import OpenRanges
from pipeline.archive.policy import too_many_rejects
from pipeline.archive.progress import Progress
from pipeline.clock import Clock
from pipeline.config import Settings, StreamSpec
from pipeline.errors import BrokerUnavailableError, ConfigError, DataGapError, StorageUnavailableError
from pipeline.kafka.port import Admin, Block, Broker, Source, TopicPartition
from pipeline.lake import SYSTEM_FIELDS, Lake

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.2
POLL_RECORDS = 10_000
CHECK_SECONDS = 1.0
FIRST_BACKOFF_SECONDS = 1.0
GREATEST_BACKOFF_SECONDS = 60.0


def archive_group(stream: str) -> str:
    """The consumer group of a stream's archivers."""
    return f"eddyline.{stream}.archive"


def member_name(stream: str, instance: str, slot: int) -> str:
    """What an archiver is called in its group: the same after every restart, and different on every host."""
    return f"{archive_group(stream)}.{instance}.{slot}"


class Archiver:
    """Archives one stream. `run` for a service; `open`, `turn`, `close` for whoever wants to go step by step.

    Raises FencedError when another process uses this slot (exit, do not restart), ConfigError when the topic does not
    exist, BrokerUnavailableError when no broker answers at the start. Later outages of broker and disk are waited
    out, said in `progress`, and lose nothing.
    """

    def __init__(
        self,
        settings: Settings,
        spec: StreamSpec,
        broker: Broker,
        lake: Lake,
        clock: Clock,
        *,
        intake: TakesBlocks,
        instance: str | None = None,
        slot: int = 0,
        on_beat: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        _check_names(spec)
        self.progress = Progress()
        self._spec, self._broker, self._clock, self._intake, self._on_beat = spec, broker, clock, intake, on_beat
        host = instance or settings.instance or socket.gethostname()
        self._instance_id = member_name(spec.stream, host, slot)
        self._assignments = Assignments()
        self._ranges = OpenRanges(spec, lake, clock, self.progress, self._assignments)
        self._blocked: set[TopicPartition] = set()
        self._failures = 0
        self._retry_at: float | None = None
        self._next_check = 0.0
        self._log = log.bind(stream=spec.stream, topic=spec.topic)
        self._source: Source
        self._admin: Admin

    def run(self, stop: threading.Event) -> None:
        """Archive until `stop` is set, then close and commit what is open."""
        self.open()
        try:
            while not stop.is_set():
                self.turn()
                if self.progress.paused:
                    stop.wait(POLL_SECONDS)
            self.drain()
        finally:
            self.close()

    def open(self) -> None:
        """Join the group."""
        self._admin = self._broker.admin()
        if self._spec.topic not in self._admin.describe([self._spec.topic]):
            self._admin.close()
            raise ConfigError(
                f"the topic {self._spec.topic} of stream {self._spec.stream} does not exist: create it "
                "(`eddyline topics create`), or correct `topic` in the stream's spec"
            )
        self._source = self._broker.source(group=archive_group(self._spec.stream), instance_id=self._instance_id)
        self._source.subscribe([self._spec.topic], self._assignments)
        self._log.info("archiving", group=archive_group(self._spec.stream), instance_id=self._instance_id)

    def turn(self) -> None:
        """One round: at most one poll, and whatever it makes due."""
        now = self._clock.monotonic()
        try:
            blocks = self._poll()
            self._ranges.park(self._assignments.take_revoked(), now)
            for block in blocks:
                self._take(block, now)
            self._begin_assigned(now)
            self._ranges.write(self._source, self._admin, now, check=now >= self._next_check)
            self._beat(now)
        except StorageUnavailableError as error:
            self._storage_failed(error, now)
        except BrokerUnavailableError as error:
            self._say_waiting(error)
        else:
            self._going_on()

    def drain(self) -> None:
        """Close and commit everything open."""
        self._ranges.drain(self._source, self._admin)
        self._on_beat(self.progress)

    def close(self) -> None:
        """Leave. What is open and not committed is read again by the next owner."""
        self._ranges.discard_all()
        self._source.close()
        self._admin.close()

    def _poll(self) -> tuple[Block, ...]:
        try:
            records = int(POLL_RECORDS * self._ranges.policy.scale)  # a file can be no smaller than a poll
            return self._source.poll(timeout_seconds=POLL_SECONDS, max_records=records).blocks
        except DataGapError as error:
            for gap in error.gaps:
                self._ranges.skip(self._source, self._admin, gap)
            return ()

    def _take(self, block: Block, now: float) -> None:
        """Gather a block. One of a partition that is not open is let go: beginning a partition seeks, so it comes
        again, and it may stem from a position that no longer holds."""
        part = self._ranges.get(block.source)
        if part is None:
            return
        taken = self._intake.take(block)
        part.take(block, taken, now=now)
        self.progress.events += taken.batch.num_rows + len(taken.rejects)
        self.progress.rejects += len(taken.rejects)
        if too_many_rejects(part.total, self._spec.scoring.max_rejected_share):
            self._block(block.source)

    def _begin_assigned(self, now: float) -> None:
        assigned = self._source.assignment()
        closed = {tp for tp in assigned if tp not in self._ranges}
        if not closed:
            return
        self._source.pause(sorted(closed))
        if self._retry_at is None or now >= self._retry_at:
            self._retry_at = None
            begun = self._ranges.begin(self._source, self._admin, closed - self._blocked)
            self._source.resume(sorted(begun))

    def _block(self, source: TopicPartition) -> None:
        part = self._ranges.discard(source)
        self._blocked.add(source)
        self._source.pause([source])
        self.progress.paused = (
            f"{part.total.rejects} of {part.total.events} events of partition {source.partition} do not fit the "
            "stream's spec: correct the spec and start again; nothing was skipped"
        )
        self.progress.last_error = self.progress.paused
        self._log.error("paused: too many rejects", partition=source.partition, rejects=part.total.rejects)

    def _storage_failed(self, error: StorageUnavailableError, now: float) -> None:
        """Let go of everything open, which frees its space, and begin again later from what is committed."""
        self._failures += 1
        self._retry_at = now + min(GREATEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (self._failures - 1))
        self._ranges.discard_all()
        self._ranges.policy.smaller()
        self._ranges.wrote = False
        self._say_waiting(error)

    def _say_waiting(self, error: StorageUnavailableError | BrokerUnavailableError) -> None:
        self.progress.paused = self.progress.last_error = str(error)
        self._log.error("waiting", reason=str(error))
        self._on_beat(self.progress)

    def _going_on(self) -> None:
        if self._ranges.wrote:
            self._failures = 0
        if self.progress.paused and self._retry_at is None and not self._blocked:
            self.progress.paused = ""
            self._log.info("going on")

    def _beat(self, now: float) -> None:
        if now < self._next_check:
            return
        self._next_check = now + CHECK_SECONDS
        assigned = [tp for tp in self._source.assignment() if tp in self._ranges]
        ends = self._source.end_offsets(assigned) if assigned else {}
        behind = [max(0, ends[tp] - self._source.position(tp)) for tp in assigned]
        self.progress.lag = sum(behind) if assigned else None
        self.progress.partitions = len(assigned)
        self.progress.joined = self._assignments.joined
        self.progress.open_rows = self._ranges.rows
        self.progress.measure(now)
        self._on_beat(self.progress)


def _check_names(spec: StreamSpec) -> None:
    taken = sorted({field.name for field in SYSTEM_FIELDS} & {column.name for column in spec.columns})
    if taken:
        raise ConfigError(
            f"stream {spec.stream} has columns named {', '.join(taken)}, which the archive uses itself: give them "
            "another name in the spec and say where they lie with `path`"
        )
