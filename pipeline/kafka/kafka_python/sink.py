"""The transactional and the plain producer on kafka-python."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka import TopicPartition as ClientPartition
from kafka import errors as client_errors
from kafka.structs import OffsetAndMetadata

from pipeline.config import KafkaSettings
from pipeline.errors import EddylineError, FencedError, TransactionAbortedError
from pipeline.kafka.kafka_python.connection import Options, translated, unreachable
from pipeline.kafka.port import Committed, GroupMetadata, OutRecord, TopicPartition

MAX_REQUEST_BYTES = 16 * 1024 * 1024
MAX_QUEUED_BYTES = 32 * 1024 * 1024
# A transaction begun right after a commit is refused for a moment; the default back-off of 100 ms would be the
# latency of every second alert.
TRANSACTION_BACKOFF_MS = 5


def _send(client: KafkaProducer, record: OutRecord) -> Any:
    return client.send(
        record.topic,
        value=record.value,
        key=record.key,
        headers=list(record.headers),
        partition=record.partition,
        timestamp_ms=record.timestamp_ms,
    )


class KafkaPythonTransactionalSink:
    """Implements `pipeline.kafka.port.TransactionalSink`."""

    def __init__(self, settings: KafkaSettings, options: Options, *, transactional_id: str) -> None:
        self._settings = settings
        self._make: Callable[[], KafkaProducer] = lambda: KafkaProducer(
            **options,
            acks="all",
            enable_idempotence=True,
            transactional_id=transactional_id,
            transaction_timeout_ms=settings.transaction_timeout_ms,
            retry_backoff_ms=TRANSACTION_BACKOFF_MS,
            linger_ms=0,
            max_request_size=MAX_REQUEST_BYTES,
            max_block_ms=int(settings.connect_timeout_seconds * 1000),
            metrics_enabled=False,
        )
        self._client: KafkaProducer | None = None
        self._connected()

    def commit(
        self,
        records: Sequence[OutRecord],
        offsets: Mapping[TopicPartition, Committed],
        group: GroupMetadata | None,
    ) -> None:
        """One whole transaction. Raises TransactionAbortedError, after which nothing of it can still be pending from
        this producer, or FencedError when another member owns this slot."""
        client = self._connected()
        try:
            client.begin_transaction()
            sent = [_send(client, record) for record in records]
            if offsets:
                client.send_offsets_to_transaction(
                    {ClientPartition(*p): OffsetAndMetadata(c.offset, c.metadata, -1) for p, c in offsets.items()},
                    group,
                )
            for future in sent:  # offsets are never committed for records that the broker has not acknowledged
                future.get(self._settings.transaction_timeout_ms / 1000)
            client.commit_transaction()
        except client_errors.FencedInstanceIdError as error:
            self._abort(client)
            raise FencedError(
                "another worker uses this slot's name: give each host its own `instance` in eddyline.yaml"
            ) from error
        except client_errors.KafkaError as error:
            self._abort(client)
            raise TransactionAbortedError(f"transaction aborted ({error}); its events will be read again") from error

    def _connected(self) -> KafkaProducer:
        """The producer, made anew after one that failed for good; making it aborts what the last one left open."""
        if self._client is None:
            with translated(self._settings):
                client = self._make()
                try:
                    client.init_transactions()
                except client_errors.KafkaError:
                    client.close(timeout=0)
                    raise
            self._client = client
        return self._client

    def _abort(self, client: KafkaProducer) -> None:
        """Abort, and take a new producer at next use, whether or not this one could.

        The client numbers records anew after an abort. A record that the broker had written, its answer lost, would
        have the number of the first one after it: the broker would take that for a repeat and drop it, and offsets
        would be committed without their scores. A new producer has an epoch of its own, with numbers of its own.
        """
        self._client = None
        with suppress(client_errors.KafkaError):
            client.abort_transaction()
        _discard(client)

    def close(self) -> None:
        """Stop. An open transaction is aborted by the broker or by the slot's next owner."""
        if self._client is not None:
            self._client.close(timeout=5)
            self._client = None


def _discard(client: KafkaProducer) -> None:
    """End a producer that failed for good. Closing waits for what it still holds and fails where that cannot be sent;
    it is dropped: its transaction is aborted by the broker, or by the next producer of its id."""
    try:
        client.close(timeout=0)
    except client_errors.KafkaTimeoutError:
        client._sender.force_close()


class KafkaPythonProducer:
    """Implements `pipeline.kafka.port.Producer`: idempotent, in batches."""

    def __init__(self, settings: KafkaSettings, options: Options) -> None:
        self._settings = settings
        self._failure: BaseException | None = None
        self._queued_bytes = 0
        with translated(settings):
            self._client = KafkaProducer(
                **options,
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                batch_size=256 * 1024,
                compression_type="lz4",
                max_request_size=MAX_REQUEST_BYTES,
                max_block_ms=int(settings.connect_timeout_seconds * 1000),
                metrics_enabled=False,
            )

    def send(self, record: OutRecord) -> None:
        """Queue a record; blocks while the buffer is full. Raises BrokerUnavailableError."""
        if self._failure is not None:
            raise self._refused(self._failure)
        with translated(self._settings):
            future = _send(self._client, record)
        future.add_errback(self._failed)
        self._queued_bytes += len(record.value or b"") + len(record.key or b"")
        if self._queued_bytes > MAX_QUEUED_BYTES:  # the client has no bound of its own since version 3
            self.flush()

    def _failed(self, error: BaseException) -> None:
        self._failure = error

    def _refused(self, error: BaseException) -> EddylineError:
        if isinstance(error, client_errors.KafkaTimeoutError | client_errors.KafkaConnectionError):
            return unreachable(self._settings, error)
        return EddylineError(f"the broker refused a record: {error}: check the topic's limits and ACLs")

    def flush(self) -> None:
        """Wait until everything queued is acknowledged. Raises BrokerUnavailableError or EddylineError."""
        with translated(self._settings):
            self._client.flush()
        self._queued_bytes = 0
        if self._failure is not None:
            raise self._refused(self._failure)

    def close(self) -> None:
        """Flush and stop."""
        try:
            self.flush()
        finally:
            self._client.close(timeout=5)
