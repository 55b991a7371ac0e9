"""Alerts as they stand, read back from the alerts topic, and those still to come. For people, not for services: the
readers' groups are made for one run and commit nothing."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from pipeline.alerts.model import Alert
from pipeline.alerts.wire import decode_alert
from pipeline.config import StreamSpec
from pipeline.errors import ConfigError, DataGapError, UnreadableAlertError
from pipeline.kafka.port import Block, Broker, Source, TopicPartition

READ_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.5
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What the alerts topic holds."""

    alerts: tuple[Alert, ...]
    """Each alert's last revision, in the order in which those were published."""
    next_offsets: Mapping[TopicPartition, int] = field(default_factory=dict)
    """Where to go on reading."""
    unreadable: int = 0


def since_ms(text: str, *, now_ms: int) -> int:
    """A moment from ISO 8601 (UTC unless it says otherwise) or from a span before now: 90s, 15m, 24h, 7d, 2w.

    Raises ConfigError where it is neither.
    """
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and unit in _UNITS:
        return now_ms - int(timedelta(**{_UNITS[unit]: int(number)}).total_seconds() * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"--since {text!r} is no moment: write 15m, 24h, 7d or 2026-05-01T12:00:00Z") from error
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def read_history(broker: Broker, spec: StreamSpec, *, published_since_ms: int | None = None) -> History:
    """Everything in the alerts topic up to now, the last revision of each alert. Empty while there is no topic."""
    admin = broker.admin()
    try:
        topic = admin.describe([spec.alerts_topic]).get(spec.alerts_topic)
    finally:
        admin.close()
    if topic is None:
        return History(alerts=())
    latest: dict[str, Alert] = {}
    reader = Reader(lambda alert: _keep_latest(latest, alert), published_since_ms=published_since_ms)
    partitions = [TopicPartition(spec.alerts_topic, number) for number in range(topic.partitions)]
    next_offsets = broker.read_all(partitions, reader.take, timeout_seconds=READ_TIMEOUT_SECONDS)
    alerts = sorted(latest.values(), key=lambda a: a.published_ms)
    return History(alerts=tuple(alerts), next_offsets=next_offsets, unreadable=reader.unreadable)


def follow(
    source: Source,
    spec: StreamSpec,
    on_alert: Callable[[Alert], None],
    stop: threading.Event,
    *,
    start: Mapping[TopicPartition, int],
    published_since_ms: int | None = None,
) -> None:
    """Hand over every message on the alerts topic from `start` on, until told to stop. Closes the source."""
    reader = Reader(on_alert, published_since_ms=published_since_ms)
    places = _Places(source, start)
    source.subscribe([spec.alerts_topic], places)
    try:
        while not stop.is_set():
            try:
                polled = source.poll(timeout_seconds=POLL_SECONDS, max_records=500)
            except DataGapError as error:
                log.error("alerts_lost", error=str(error))
                continue
            for block in polled.blocks:
                reader.take(block)
                places.next_offsets[block.source] = block.next_offset
    finally:
        source.close()


class Reader:
    """Turns blocks of the alerts topic into alerts; what is no alert is counted and logged."""

    def __init__(self, on_alert: Callable[[Alert], None], *, published_since_ms: int | None = None) -> None:
        self._on_alert, self._since_ms = on_alert, published_since_ms
        self.unreadable = 0

    def take(self, block: Block) -> None:
        """Read one block."""
        for offset, value in zip(block.offsets, block.values, strict=True):
            if value is None:
                continue
            try:
                alert = decode_alert(value)
            except UnreadableAlertError as error:
                self.unreadable += 1
                log.error("unreadable_alert", partition=block.source.partition, offset=int(offset), error=str(error))
                continue
            if self._since_ms is None or alert.published_ms >= self._since_ms:
                self._on_alert(alert)


class _Places:
    """Where each partition goes on: after the history at first, after what was read whenever it is assigned again. A
    partition that is new since then begins at its beginning."""

    def __init__(self, source: Source, start: Mapping[TopicPartition, int]) -> None:
        self._source = source
        self.next_offsets = dict(start)

    def on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Nothing is held."""

    def on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Seek to where reading goes on."""
        for partition in sorted(partitions & self.next_offsets.keys()):
            self._source.seek(partition, self.next_offsets[partition])


def _keep_latest(latest: dict[str, Alert], alert: Alert) -> None:
    held = latest.get(alert.id)
    if held is None or alert.revision >= held.revision:
        latest[alert.id] = alert
