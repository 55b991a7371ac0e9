"""A consumer in a group on kafka-python: committed records only, positions always chosen on purpose.

The client starts a newly assigned partition wherever its reset policy says, and returns its records from the very
poll that assigned it. Here a new partition is held until its topic's incarnation is known and its position is set:
committed offset, or the beginning where nothing is committed. An offset the broker no longer holds is an error.
"""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka import TopicPartition as ClientPartition
from kafka import errors as client_errors
from kafka.structs import OffsetAndMetadata

from pipeline.config import KafkaSettings
from pipeline.errors import DataGapError, FencedError, Gap
from pipeline.kafka.kafka_python.admin import KafkaPythonAdmin
from pipeline.kafka.kafka_python.admissions import Admissions
from pipeline.kafka.kafka_python.connection import Options, translated
from pipeline.kafka.kafka_python.records import Fields, use_fast_records
from pipeline.kafka.kafka_python.repairs import see_joins_through, watch_heartbeats
from pipeline.kafka.port import Block, Committed, Polled, RebalanceListener, TopicPartition

log = structlog.get_logger()

CHECK_SECONDS = 3.0


def consumer_options(settings: KafkaSettings, options: Options) -> Options:
    """What every consumer of ours is made with."""
    return options | {
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "none",
        "session_timeout_ms": settings.session_timeout_ms,
        "heartbeat_interval_ms": settings.session_timeout_ms // 6,
        "max_partition_fetch_bytes": 4 * 1024 * 1024,
        "fetch_max_bytes": 50 * 1024 * 1024,
        "allow_auto_create_topics": False,
        "metrics_enabled": False,
    }


def to_block(source: TopicPartition, records: Sequence[Fields]) -> Block:
    """The records of one partition, read by `records.py`, as parallel sequences."""
    offsets, timestamps, keys, values = zip(*records, strict=True)
    return Block(
        source=source,
        offsets=np.asarray(offsets, dtype=np.int64),
        timestamps_ms=np.asarray(timestamps, dtype=np.int64),
        keys=keys,
        values=values,
    )


def _ours(partitions: Iterable[ClientPartition]) -> frozenset[TopicPartition]:
    return frozenset(TopicPartition(p.topic, p.partition) for p in partitions)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Runs on the client's own thread: holds what is new and notes it for the polling thread."""

    def __init__(self, source: "KafkaPythonSource") -> None:
        self._source = source

    def on_partitions_revoked(self, revoked: Iterable[ClientPartition]) -> None:
        self._source._revoke(list(revoked))

    def on_partitions_assigned(self, assigned: Iterable[ClientPartition]) -> None:
        self._source._hold(list(assigned))


class KafkaPythonSource:
    """Implements `pipeline.kafka.port.Source`."""

    def __init__(
        self, settings: KafkaSettings, options: Options, *, group: str, instance_id: str | None = None
    ) -> None:
        self._settings = settings
        self._options = consumer_options(settings, options) | {"group_id": group, "group_instance_id": instance_id}
        self._admin = KafkaPythonAdmin(settings, options)
        self._fenced = threading.Event()
        self._client = self._connected()
        self._topics: tuple[str, ...] = ()
        self._listener: RebalanceListener | None = None
        self._admissions = Admissions()
        self._topic_ids: dict[str, str] = {}
        self._next_check = time.monotonic() + CHECK_SECONDS

    def _connected(self) -> KafkaConsumer:
        with translated(self._settings):
            client = KafkaConsumer(**self._options)
            client.bootstrap(timeout_ms=self._timeout_ms)
        use_fast_records(client)
        see_joins_through(client)
        watch_heartbeats(client, self._fenced)
        return client

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """Join the group for these topics."""
        self._topics, self._listener = tuple(topics), listener
        self._client.subscribe(list(topics), listener=_Listener(self))

    def poll(self, *, timeout_seconds: float, max_records: int) -> Polled:
        """See `Source.poll`. The first polls of a partition return nothing: its position is being set."""
        with translated(self._settings):
            if self._fenced.is_set():
                raise client_errors.FencedInstanceIdError
            fetched = self._fetch(int(timeout_seconds * 1000), max_records)
            group = self._client.group_metadata()
        admitted = [p for p, records in fetched.items() if records and self._admissions.is_admitted(p)]
        self._admit()
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_SECONDS
            self._check_heartbeat()
            self._check_incarnations()
        blocks = tuple(to_block(TopicPartition(p.topic, p.partition), fetched[p]) for p in admitted)
        return Polled(blocks=blocks, group=group)

    def _fetch(self, timeout_ms: int, max_records: int) -> dict[ClientPartition, list[Any]]:
        try:
            return self._client.poll(timeout_ms=timeout_ms, max_records=max_records)  # type: ignore[no-any-return]
        except (client_errors.OffsetOutOfRangeError, client_errors.LogTruncationError) as error:
            self._recover_position(error)
            return {}

    def _revoke(self, partitions: list[ClientPartition]) -> None:
        self._admissions.revoked(partitions)
        if partitions and self._listener is not None:
            self._listener.on_revoked(_ours(partitions))

    def _hold(self, partitions: list[ClientPartition]) -> None:
        if partitions:
            self._client.pause(*partitions)
            self._client.seek_to_beginning(*partitions)
            self._admissions.assigned(partitions)

    def _admit(self) -> None:
        """Set the positions of partitions newly assigned, tell the listener, and let their records come."""
        assigned = self._client.assignment()
        pending = {p: n for p, n in self._admissions.pending().items() if p in assigned}
        if not pending:
            return
        self._topic_ids |= self._incarnations({p.topic for p in pending})
        positions = {p: self.committed(TopicPartition(p.topic, p.partition)) for p in pending}
        ready = self._admissions.admit(pending)
        for partition in ready:
            committed = positions[partition]
            if committed is not None:
                self._client.seek(partition, committed.offset)
        if not ready:
            return
        self._client.resume(*ready)  # nothing is fetched before the next poll, so the listener may still seek or pause
        if self._listener is not None:
            self._listener.on_assigned(_ours(ready))

    def _check_heartbeat(self) -> None:
        """Replace a client that has heard nothing from its group for two session timeouts: it lost its place long ago,
        and has been seen to poll on without noticing."""
        heartbeat = self._client._coordinator.heartbeat
        heard = max(heartbeat.last_receive, heartbeat.last_reset)
        if not self._admissions.everything() or time.monotonic() - heard < 2 * self._settings.session_timeout_ms / 1000:
            return
        log.warning("no word from the consumer group: joining it anew", topics=self._topics)
        client, old = self._connected(), self._client
        self._revoke(self._admissions.everything())
        self._client = client
        old.close(autocommit=False, timeout_ms=0)
        client.subscribe(list(self._topics), listener=_Listener(self))

    def _incarnations(self, topics: Iterable[str]) -> dict[str, str]:
        return {name: info.topic_id for name, info in self._admin.describe(sorted(topics)).items()}

    def _check_incarnations(self) -> None:
        """A topic deleted and made anew between two metadata refreshes is treated as a new assignment."""
        assigned = self._client.assignment()
        now = self._incarnations({p.topic for p in assigned})
        anew = [p for p in assigned if p.topic in now and now[p.topic] != self._topic_ids.get(p.topic)]
        if anew:
            self._revoke(anew)
            self._hold(anew)
            self._admit()

    def _recover_position(self, error: Exception) -> None:
        """Move to the first offset held; raise DataGapError unless the topic itself is another one."""
        out_of_range = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        stuck = [p for p in out_of_range if p in self._client.assignment()]
        self._check_incarnations()
        if not stuck or self._admissions.pending():
            return
        first = self.beginning_offsets([TopicPartition(p.topic, p.partition) for p in stuck])
        last = self.end_offsets([TopicPartition(p.topic, p.partition) for p in stuck])
        gaps = []
        for partition in stuck:
            ours, expected = TopicPartition(partition.topic, partition.partition), _offset(out_of_range[partition])
            target = first[ours] if expected < first[ours] else last[ours]
            self._client.seek(partition, target)
            gaps.append(Gap(partition.topic, partition.partition, expected, target))
        raise DataGapError(gaps)

    def topic_id(self, topic: str) -> str:
        """The incarnation of a topic whose partitions are assigned, as of its assignment."""
        return self._topic_ids.get(topic, "")

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions now assigned and admitted."""
        return _ours(p for p in self._client.assignment() if self._admissions.is_admitted(p))

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Fetch no more from these until resumed."""
        assigned = self._client.assignment()
        self._client.pause(*(p for p in map(_client, partitions) if p in assigned))

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Undo `pause`."""
        self._client.resume(*(_client(p) for p in self.assignment() & set(partitions)))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read `offset` next; does nothing for a partition no longer assigned."""
        if _client(partition) in self._client.assignment():
            self._client.seek(_client(partition), offset)

    def position(self, partition: TopicPartition) -> int:
        """The offset that will be fetched next."""
        with translated(self._settings):
            return int(self._client.position(_client(partition), timeout_ms=self._timeout_ms))

    def committed(self, partition: TopicPartition) -> Committed | None:
        """The group's committed position, once transactions that would change it have ended."""
        with translated(self._settings):
            found = self._client.committed(_client(partition), metadata=True, timeout_ms=self._timeout_ms)
        return None if found is None else Committed(int(found.offset), found.metadata or "")

    def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Commit synchronously. Raises FencedError when a partition is no longer ours to commit."""
        wanted = {_client(p): OffsetAndMetadata(c.offset, c.metadata, -1) for p, c in offsets.items()}
        with translated(self._settings):
            try:
                self._client.commit(wanted, timeout_ms=self._timeout_ms)
            except (
                client_errors.CommitFailedError,
                client_errors.IllegalGenerationError,
                client_errors.UnknownMemberIdError,
                client_errors.RebalanceInProgressError,
            ) as error:
                raise FencedError(f"the group has moved on ({type(error).__name__}): this commit is void") from error

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where a read-committed reader's log ends."""
        with translated(self._settings):
            found = self._client.end_offsets([_client(p) for p in partitions], timeout_ms=self._timeout_ms)
        return {TopicPartition(p.topic, p.partition): int(at) for p, at in found.items()}

    def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset still held."""
        with translated(self._settings):
            found = self._client.beginning_offsets([_client(p) for p in partitions], timeout_ms=self._timeout_ms)
        return {TopicPartition(p.topic, p.partition): int(at) for p, at in found.items()}

    @property
    def _timeout_ms(self) -> int:
        return int(self._settings.connect_timeout_seconds * 1000)

    def close(self) -> None:
        """Stop. A static member does not leave its group by closing."""
        self._client.close(autocommit=False, timeout_ms=2_000)
        self._admin.close()


def _client(partition: TopicPartition) -> ClientPartition:
    return ClientPartition(partition.topic, partition.partition)


def _offset(position: Any) -> int:
    """The offset in the client's error: a number, or a position with an offset."""
    return int(getattr(position, "offset", position))
