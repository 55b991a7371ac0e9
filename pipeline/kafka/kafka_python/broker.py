"""Makes kafka-python clients for one cluster."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from kafka import KafkaConsumer
from kafka import TopicPartition as ClientPartition
from kafka.consumer.fetcher import ConsumerRecord

from pipeline.config import KafkaSettings
from pipeline.errors import EddylineError
from pipeline.kafka.kafka_python.admin import KafkaPythonAdmin
from pipeline.kafka.kafka_python.connection import connection_options, translated
from pipeline.kafka.kafka_python.records import use_fast_records
from pipeline.kafka.kafka_python.sink import KafkaPythonProducer, KafkaPythonTransactionalSink
from pipeline.kafka.kafka_python.source import KafkaPythonSource, consumer_options, to_block
from pipeline.kafka.port import Block, TopicPartition

READ_MAX_RECORDS = 10_000


class KafkaPythonBroker:
    """Implements `pipeline.kafka.port.Broker`. Every client it makes fails with BrokerUnavailableError when no broker
    answers within `connect_timeout_seconds`."""

    def __init__(self, settings: KafkaSettings, *, username: str | None = None, password: str | None = None) -> None:
        self._settings = settings
        self._options = connection_options(settings, username=username, password=password)

    def source(self, *, group: str, instance_id: str | None = None) -> KafkaPythonSource:
        """A consumer in `group`; with `instance_id`, a static member."""
        return KafkaPythonSource(self._settings, self._options, group=group, instance_id=instance_id)

    def transactional_sink(self, *, transactional_id: str) -> KafkaPythonTransactionalSink:
        """A producer that fences earlier ones of the same id. Aborts what they left open."""
        return KafkaPythonTransactionalSink(self._settings, self._options, transactional_id=transactional_id)

    def producer(self) -> KafkaPythonProducer:
        """A plain producer."""
        return KafkaPythonProducer(self._settings, self._options)

    def admin(self) -> KafkaPythonAdmin:
        """An administration client."""
        return KafkaPythonAdmin(self._settings, self._options)

    def read_all(
        self,
        partitions: Sequence[TopicPartition],
        on_block: Callable[[Block], None],
        *,
        timeout_seconds: float,
        headers: bool = False,
    ) -> dict[TopicPartition, int]:
        """Read whole partitions, committed records only, up to their high watermarks at the time of asking.

        Transactions still open below those marks are waited for, so that what a previous owner committed is seen. With
        `headers`, blocks carry them, at the client's own slower pace.
        Returns the next offsets. Raises EddylineError when nothing comes for `timeout_seconds` before the ends.
        """
        admin = self.admin()
        try:
            ends = admin.latest_offsets(partitions)
        finally:
            admin.close()
        pending = {ClientPartition(*p): end for p, end in ends.items() if end > 0}
        if pending:
            with self._reader(fast=not headers) as client:
                client.assign(list(pending))
                client.seek_to_beginning(*pending)
                _drain(client, pending, on_block, timeout_seconds)
        return ends

    def read_ranges(
        self,
        ranges: Mapping[TopicPartition, tuple[int, int]],
        on_block: Callable[[Block], None],
        *,
        timeout_seconds: float,
        go_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        """See `Broker.read_ranges`."""
        wanted = {ClientPartition(*p): span for p, span in ranges.items() if span[0] < span[1]}
        if not wanted:
            return True
        with self._reader() as client:
            client.assign(list(wanted))
            for partition, (start, _) in wanted.items():
                client.seek(partition, start)
            return _drain(client, {p: end for p, (_, end) in wanted.items()}, on_block, timeout_seconds, go_on)

    @contextmanager
    def _reader(self, *, fast: bool = True) -> Iterator[KafkaConsumer]:
        """A consumer outside any group, reading committed records from wherever it is told."""
        options = consumer_options(self._settings, self._options) | {"auto_offset_reset": "earliest"}
        with translated(self._settings):
            client = KafkaConsumer(**options)
            if fast:
                use_fast_records(client)
            try:
                yield client
            finally:
                client.close(autocommit=False, timeout_ms=1_000)


def _drain(
    client: KafkaConsumer,
    pending: dict[ClientPartition, int],
    on_block: Callable[[Block], None],
    timeout_seconds: float,
    go_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Hand over records below each partition's end until every position is there; False where `go_on` ended it."""
    deadline = time.monotonic() + timeout_seconds
    while pending:
        if not go_on():
            return False
        fetched = client.poll(timeout_ms=200, max_records=READ_MAX_RECORDS)
        for target, records in fetched.items():
            block = _as_block(TopicPartition(target.topic, target.partition), records)
            below = int(np.searchsorted(block.offsets, pending.get(target, 0)))
            if below:
                on_block(block.cut(0, below))
        for target in [p for p, end in pending.items() if client.position(p) >= end]:
            del pending[target]
            client.pause(target)
        if fetched:
            deadline = time.monotonic() + timeout_seconds
        elif pending and time.monotonic() > deadline:
            stuck = ", ".join(f"{p.topic}[{p.partition}] (to {end})" for p, end in pending.items())
            raise EddylineError(
                f"{stuck} could not be read to the end within {timeout_seconds:g} s: an open transaction may be "
                "holding it back; try again"
            )
    return True


def _as_block(source: TopicPartition, records: Sequence[Any]) -> Block:
    """Records of either reader; the client's own carry headers."""
    if not isinstance(records[0], ConsumerRecord):
        return to_block(source, records)
    block = to_block(source, [(r.offset, r.timestamp, r.key, r.value) for r in records])
    return replace(block, headers=[[(name, value or b"") for name, value in r.headers] for r in records])
