"""Producers, with transactions and without."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.errors import FencedError, TransactionAbortedError
from pipeline.kafka.port import Committed, GroupMetadata, OutRecord, TopicPartition
from tests.fakes.source import MemoryGroupMetadata

if TYPE_CHECKING:
    from tests.fakes.broker import MemoryBroker


class MemorySink:
    """A transactional producer: all of a commit, or nothing."""

    def __init__(self, broker: "MemoryBroker", transactional_id: str) -> None:
        self._broker, self._id = broker, transactional_id
        self._epoch = broker.next_epoch(transactional_id)
        self.abort_next = False

    def commit(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        self._broker.check_available()
        if self._broker.epoch(self._id) != self._epoch:
            raise FencedError("another producer uses this transactional id: stop")
        if self.abort_next:
            self.abort_next = False
            raise TransactionAbortedError("aborted by the test: do it again")
        if offsets:
            assert isinstance(group, MemoryGroupMetadata)
            group.member.commit(offsets)
        for record in records:
            self._broker.append(record)

    def close(self) -> None:
        return


class MemoryProducer:
    """A plain producer."""

    def __init__(self, broker: "MemoryBroker") -> None:
        self._broker = broker

    def send(self, record: OutRecord) -> None:
        self._broker.check_available()
        self._broker.append(record)

    def flush(self) -> None:
        self._broker.check_available()

    def close(self) -> None:
        return
