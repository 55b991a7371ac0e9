"""The loop that carries a stream's alerts to one destination, in order, at least once.

A restart goes on at the committed offset, which moves only after a delivery: an alert handed over just before a crash
is handed over again, with the same id and revision. While a destination is down its loop waits and keeps its place in
the group; other destinations have loops and groups of their own.
"""

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from pipeline.alerts.model import Alert, Severity
from pipeline.alerts.notify.backoff import Backoff
from pipeline.alerts.notify.destination import Delivery, Destination, Outcome
from pipeline.alerts.notify.inbox import Inbox, Waiting
from pipeline.alerts.severity import at_least
from pipeline.alerts.wire import decode_alert
from pipeline.clock import Clock
from pipeline.config import StreamSpec
from pipeline.errors import BrokerUnavailableError, DataGapError, FencedError, UnreadableAlertError
from pipeline.kafka.port import Committed, Source, TopicPartition

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 1.0
"""How often the broker hears of us while we wait or deliver."""
BATCH_RECORDS = 100
BROKER_RETRY_SECONDS = 5.0


@dataclass(slots=True, kw_only=True)
class NotifierState:
    """What a notifier tells about itself; goes into its heartbeat."""

    destination: str
    delivered: int = 0
    skipped: int = 0
    """Below the destination's severity, or in shadow mode."""
    failures: int = 0
    refused: int = 0
    """Attempts the destination turned down; the alert is tried again all the same."""
    unreadable: int = 0
    """Records of the alerts topic that are no alerts."""
    lost: int = 0
    """Records deleted by retention before they could be delivered."""
    waiting: int = 0
    joined: bool = False
    """The group has given us partitions."""
    failing_since_ms: int | None = None
    last_error: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def group_name(stream: str, destination: str) -> str:
    """The consumer group of one destination."""
    return f"eddyline.{stream}.notify.{destination}"


class Notifier:
    """Delivers one stream's alerts to one destination until told to stop."""

    def __init__(
        self,
        spec: StreamSpec,
        destination: Destination,
        source: Source,
        *,
        minimum_severity: Severity,
        backoff: Backoff,
        clock: Clock,
        beat: Callable[[NotifierState], None] = lambda state: None,
    ) -> None:
        self._topic = spec.alerts_topic
        self._destination, self._source = destination, source
        self._minimum_severity = minimum_severity
        self._backoff, self._clock, self._beat = backoff, clock, beat
        self._log = log.bind(stream=spec.stream, destination=destination.name)
        self._inbox = Inbox()
        self._retry_at = 0.0
        self._polled_at = float("-inf")
        self.state = NotifierState(destination=destination.name)

    def run(self, stop: threading.Event, *, wait: Callable[[float], bool] | None = None) -> None:
        """Work until `stop` is set. `wait` sleeps so many seconds and says whether to stop.

        Raises FencedError when another process took this one's place, and ConfigError at an alert that a later
        version wrote: passing over it would lose it.
        """
        wait = wait or stop.wait
        self._source.subscribe([self._topic], self)
        try:
            while not stop.is_set():
                self._step(wait)
            self._commit()
        finally:
            self._source.close()

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Drop what was fetched from partitions that go to another member."""
        self._inbox.drop(partitions)

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Start at the committed offsets, as the source does by itself."""
        self.state.joined = True

    def _step(self, wait: Callable[[float], bool]) -> None:
        """One of: fetch, wait for the destination, deliver one alert."""
        head = self._inbox.head()
        left_seconds = self._retry_at - self._clock.monotonic()
        if head is None:
            self._commit()
            self._poll(POLL_SECONDS, wait)
        elif left_seconds > 0:
            wait(min(left_seconds, KEEP_ALIVE_SECONDS))
            self._poll(0.0, wait)
        else:
            self._handle(head)
            if self._clock.monotonic() - self._polled_at >= KEEP_ALIVE_SECONDS:
                self._poll(0.0, wait)

    def _poll(self, timeout_seconds: float, wait: Callable[[float], bool]) -> None:
        """Fetch when nothing waits; otherwise only keep the place in the group. What a rebalance brings is kept."""
        held = list(self._source.assignment())
        if len(self._inbox):
            self._source.pause(held)
        else:
            self._source.resume(held)
        try:
            polled = self._source.poll(timeout_seconds=timeout_seconds, max_records=BATCH_RECORDS)
        except DataGapError as error:
            self.state.lost += sum(gap.available - gap.expected for gap in error.gaps)
            self.state.last_error = str(error)
            self._log.error("alerts_lost", error=str(error))
            return
        except BrokerUnavailableError as error:
            self.state.last_error = str(error)
            self._log.warning("broker_unavailable", error=str(error))
            wait(BROKER_RETRY_SECONDS)
            return
        finally:
            self._polled_at = self._clock.monotonic()
        for block in polled.blocks:
            self._inbox.add(block)
        self.state.waiting = len(self._inbox)
        self._beat(self.state)

    def _handle(self, record: Waiting) -> None:
        alert = self._read(record)
        if alert is None:
            self._inbox.finish(record)
            return
        if alert.shadow or not at_least(alert.severity, self._minimum_severity):
            self.state.skipped += 1
            self._inbox.finish(record)
            return
        delivery = self._destination.deliver(alert, record.value or b"")
        if delivery.outcome is Outcome.DELIVERED:
            self._delivered(alert, record)
        else:
            self._not_delivered(alert, delivery)

    def _read(self, record: Waiting) -> Alert | None:
        if record.value is None:
            return None
        try:
            return decode_alert(record.value)
        except UnreadableAlertError as error:
            self.state.unreadable += 1
            self.state.last_error = str(error)
            self._log.error(
                "unreadable_alert", partition=record.source.partition, offset=record.offset, error=str(error)
            )
            return None

    def _delivered(self, alert: Alert, record: Waiting) -> None:
        self.state.delivered += 1
        if self.state.failing_since_ms is not None:
            self._log.info("destination_back", failures=self._backoff.failures)
        self.state.failing_since_ms = None
        self._backoff.succeeded()
        self._inbox.finish(record)
        self._commit()
        self._log.info("alert_delivered", alert=alert.id, revision=alert.revision)

    def _not_delivered(self, alert: Alert, delivery: Delivery) -> None:
        wait_seconds = self._backoff.wait_seconds(delivery)
        self._retry_at = self._clock.monotonic() + wait_seconds
        self.state.failures += 1
        self.state.refused += delivery.outcome is Outcome.REFUSED
        self.state.last_error = delivery.detail
        if self.state.failing_since_ms is None:
            self.state.failing_since_ms = self._clock.now_ms()
        say = self._log.error if delivery.outcome is Outcome.REFUSED else self._log.warning
        say(
            "alert_not_delivered",
            alert=alert.id,
            revision=alert.revision,
            outcome=delivery.outcome.value,
            detail=delivery.detail,
            retry_seconds=round(wait_seconds, 1),
        )

    def _commit(self) -> None:
        done = self._inbox.done()
        if not done:
            return
        try:
            self._source.commit({tp: Committed(offset, "") for tp, offset in done.items()})
        except FencedError as error:
            # The partitions are on their way to another member: it will deliver again what is not committed. If this
            # whole process was replaced, the next poll says so.
            self._log.warning("commit_refused", error=str(error))
            return
        except BrokerUnavailableError as error:
            self.state.last_error = str(error)
            self._log.warning("broker_unavailable", error=str(error))
            return
        self._inbox.committed(done)
