"""How a batch's output and its offsets reach the broker: together, or output first."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from pipeline.config import Delivery
from pipeline.kafka.port import Broker, Committed, GroupMetadata, OutRecord, Producer, TopicPartition, TransactionalSink


class Output(Protocol):
    """Where a scorer's batches go."""

    def write(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        """Raises TransactionAbortedError where nothing happened and the batch must be scored again."""

    def close(self) -> None:
        """Stop."""


class ExactlyOnce:
    """Output and offsets in one Kafka transaction."""

    def __init__(self, sink: TransactionalSink) -> None:
        self._sink = sink

    def write(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        """One transaction."""
        self._sink.commit(records, offsets, group)

    def close(self) -> None:
        """Stop; an open transaction is aborted."""
        self._sink.close()


class AtLeastOnce:
    """Output first, acknowledged; then the offsets, by the thread that owns the consumer."""

    def __init__(self, producer: Producer, commit_offsets: Callable[[dict[TopicPartition, Committed]], None]) -> None:
        self._producer = producer
        self._commit_offsets = commit_offsets

    def write(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        """A crash between the two repeats the output."""
        for record in records:
            self._producer.send(record)
        self._producer.flush()
        self._commit_offsets(dict(offsets))

    def close(self) -> None:
        """Flush and stop."""
        self._producer.close()


def make_output(
    delivery: Delivery,
    broker: Broker,
    *,
    transactional_id: str,
    commit_offsets: Callable[[dict[TopicPartition, Committed]], None],
) -> Output:
    """The output a service's `kafka.delivery` asks for."""
    if delivery is Delivery.EXACTLY_ONCE:
        return ExactlyOnce(broker.transactional_sink(transactional_id=transactional_id))
    return AtLeastOnce(broker.producer(), commit_offsets)
