"""Makes kafka-python clients for one cluster."""

import time
from collections.abc import Callable

from kafka import KafkaConsumer
from kafka import TopicPartition as ClientPartition

from pipeline.config import KafkaSettings
from pipeline.errors import EddylineError
from pipeline.kafka.kafka_python.admin import KafkaPythonAdmin
from pipeline.kafka.kafka_python.connection import connection_options, translated
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

    def read_all(self, partition: TopicPartition, on_block: Callable[[Block], None], *, timeout_seconds: float) -> int:
        """Read a whole partition, committed records only, up to its high watermark at the time of asking.

        Transactions still open below that mark are waited for, so that what a previous owner committed is seen.
        Returns the next offset. Raises EddylineError when the end is not reached within `timeout_seconds`.
        """
        admin = self.admin()
        try:
            end = admin.latest_offsets([partition])[partition]
        finally:
            admin.close()
        options = consumer_options(self._settings, self._options) | {"auto_offset_reset": "earliest"}
        target = ClientPartition(*partition)
        with translated(self._settings):
            client = KafkaConsumer(**options)
            try:
                client.assign([target])
                client.seek_to_beginning(target)
                self._drain(client, target, partition, end, on_block, timeout_seconds)
            finally:
                client.close(autocommit=False, timeout_ms=1_000)
        return end

    @staticmethod
    def _drain(
        client: KafkaConsumer,
        target: ClientPartition,
        partition: TopicPartition,
        end: int,
        on_block: Callable[[Block], None],
        timeout_seconds: float,
    ) -> None:
        deadline = time.monotonic() + timeout_seconds
        while end > 0 and client.position(target) < end:
            records = client.poll(timeout_ms=200, max_records=READ_MAX_RECORDS).get(target)
            if records:
                on_block(to_block(partition, records))
            elif time.monotonic() > deadline:
                raise EddylineError(
                    f"{partition.topic}[{partition.partition}] could not be read to its end (offset {end}) within "
                    f"{timeout_seconds:g} s: an open transaction may be holding it back; try again"
                )
