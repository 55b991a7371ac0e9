"""The port to Kafka: what the rest of the pipeline may ask of a broker. Adapters live beside this file.

Events cross it as `Block`s: the records of one partition as parallel sequences, never an object of ours per event.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]


class TopicPartition(NamedTuple):
    """A partition of a topic, by name."""

    topic: str
    partition: int


class Committed(NamedTuple):
    """A consumer group's committed position: the next offset to read, and the text committed with it."""

    offset: int
    metadata: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Consecutive records of one partition, as fetched. B records."""

    source: TopicPartition
    offsets: Int64Array
    """Shape (B,), strictly increasing; holes are markers and compacted records, not losses."""
    timestamps_ms: Int64Array
    """Shape (B,): append or create time as the topic is configured, milliseconds since the epoch, UTC."""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Sequence[tuple[str, bytes]]] = ()
    """One sequence per record where they were asked for (`read_all(..., headers=True)`), else empty."""

    @property
    def next_offset(self) -> int:
        """The position after this block."""
        return int(self.offsets[-1]) + 1

    def __len__(self) -> int:
        return len(self.values)

    def cut(self, start: int, stop: int) -> "Block":
        """The records from index `start` up to, not including, `stop`."""
        return replace(
            self,
            offsets=self.offsets[start:stop],
            timestamps_ms=self.timestamps_ms[start:stop],
            keys=self.keys[start:stop],
            values=self.values[start:stop],
            headers=self.headers[start:stop],
        )


class GroupMetadata(Protocol):
    """Opaque to all but the adapter: the group's generation at the poll that returned a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What one poll returned, with the generation it belongs to."""

    blocks: tuple[Block, ...]
    group: GroupMetadata


class RebalanceListener(Protocol):
    """Told of changes of assignment from inside `poll`."""

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Called before the partitions are given up, possibly on the client's own thread: it must not call the
        source. It may block to drain, for well under the session timeout. Also called when a topic was deleted and
        made anew, before `on_assigned` brings its new incarnation."""

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Called on the polling thread with the newly assigned partitions, before any of their records are returned.
        It may ask the source for `committed` and `topic_id`, and `seek`; partitions not sought start at the committed
        offset, or at the beginning where nothing is committed."""


class Source(Protocol):
    """A consumer in a group, reading committed records only. Not for use from two threads."""

    def subscribe(self, topics: Sequence[str], listener: RebalanceListener) -> None:
        """Join the group for these topics."""

    def poll(self, *, timeout_seconds: float, max_records: int) -> Polled:
        """Fetch records, take part in rebalances.

        Raises DataGapError when the position is no longer held by the broker (`gaps` says what is lost; the source
        has already moved to the first offset available, so polling again goes on from there), FencedError when
        another member uses this instance id, BrokerUnavailableError when no broker answers for
        `connect_timeout_seconds`.
        """

    def topic_id(self, topic: str) -> str:
        """The incarnation of a topic whose partitions are assigned, as of its assignment."""

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions now assigned."""

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Fetch no more from these until resumed."""

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Undo `pause`."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read `offset` next."""

    def position(self, partition: TopicPartition) -> int:
        """The offset that will be fetched next."""

    def committed(self, partition: TopicPartition) -> Committed | None:
        """The group's committed position; None where it never committed."""

    def commit(self, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Commit synchronously, fenced by the generation. Raises FencedError when no longer the owner."""

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset a read-committed reader will reach the end at."""

    def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offset still held."""

    def close(self) -> None:
        """Stop. A static member does not leave its group by closing."""


class OutRecord(NamedTuple):
    """A record to be produced."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None


class TransactionalSink(Protocol):
    """A producer whose records and consumed offsets become visible together or not at all."""

    def commit(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        """One whole transaction. Raises TransactionAbortedError (nothing happened) or FencedError."""

    def close(self) -> None:
        """Stop; an open transaction is aborted."""


class Producer(Protocol):
    """A plain idempotent producer, for replay."""

    def send(self, record: OutRecord) -> None:
        """Queue a record; blocks while the buffer is full."""

    def flush(self) -> None:
        """Wait until everything queued is acknowledged. Raises BrokerUnavailableError."""

    def close(self) -> None:
        """Flush and stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicInfo:
    """A topic as the broker describes it."""

    name: str
    topic_id: str
    """Unique to this incarnation: a topic deleted and made anew has another."""
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRequest:
    """A topic to be created."""

    name: str
    partitions: int
    replication_factor: int = 1
    configs: Mapping[str, str] | None = None


class Admin(Protocol):
    """Administration of topics and groups."""

    def describe(self, topics: Sequence[str]) -> dict[str, TopicInfo]:
        """The topics that exist among those named."""

    def create(self, topics: Sequence[TopicRequest]) -> list[str]:
        """Create those that do not exist; returns the names created."""

    def grow(self, topic: str, partitions: int) -> None:
        """Raise a topic's partition count."""

    def delete(self, topics: Sequence[str]) -> None:
        """Delete topics; those that do not exist are passed over."""

    def latest_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """High watermarks, open transactions included."""

    def earliest_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offsets still held."""

    def group_offsets(self, group: str) -> dict[TopicPartition, Committed]:
        """What a group has committed."""

    def static_members(self, group: str) -> list[str]:
        """The instance ids of a group's static members, dead ones not yet timed out included."""

    def remove_static_members(self, group: str, instance_ids: Sequence[str]) -> None:
        """Make static members leave, so that their partitions are handed out again at once."""

    def close(self) -> None:
        """Close connections."""


class Broker(Protocol):
    """Makes clients for one cluster: the factory an adapter provides."""

    def source(self, *, group: str, instance_id: str | None = None) -> Source:
        """A consumer in `group`; with `instance_id`, a static member."""

    def transactional_sink(self, *, transactional_id: str) -> TransactionalSink:
        """A producer that fences earlier ones of the same id. Aborts what they left open."""

    def producer(self) -> Producer:
        """A plain producer."""

    def admin(self) -> Admin:
        """An administration client."""

    def read_all(
        self,
        partitions: Sequence[TopicPartition],
        on_block: Callable[[Block], None],
        *,
        timeout_seconds: float,
        headers: bool = False,
    ) -> dict[TopicPartition, int]:
        """Read whole partitions, committed records only, up to their high watermarks at the time of asking, and wait
        for transactions still open below those. Returns the next offsets. For small, compacted topics."""

    def read_ranges(
        self,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        on_block: Callable[[Block], None],
        *,
        timeout_seconds: float,
        go_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        """Read parts of partitions, outside any group: committed records from the first offset of each range up to,
        not including, its second. What is no longer held is passed over. Ends must have been committed by a group, or
        lie below the high watermark.

        False when `go_on`, asked between fetches, ended it early. Raises EddylineError when nothing comes for
        `timeout_seconds`, BrokerUnavailableError.
        """
