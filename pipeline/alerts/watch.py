"""One alert about a whole stream or partition, at most one open at a time: what silence and rejects share."""

from collections.abc import Iterable
from dataclasses import replace

from pipeline.alerts.changelog import WATCH, Slot, decode_value, encode_slot, encode_value
from pipeline.alerts.episodes import Place
from pipeline.alerts.identity import alert_id
from pipeline.alerts.model import Alert, AlertKind, AlertStatus, Cause, Severity
from pipeline.alerts.staged import Change, Staged
from pipeline.alerts.wire import alert_document, alert_from_document


class Watch:
    """Opens and resolves one alert, staged like the engine's. Its state is one changelog record while it is open."""

    def __init__(self, place: Place, kind: AlertKind, severity: Severity) -> None:
        self._place, self._kind, self._severity = place, kind, severity
        self._key = encode_slot(Slot(WATCH, place.topic_id, (kind.value,)))
        self._open: Alert | None = None
        self._pending: tuple[int, Alert | None] | None = None
        self._ticket = 0

    @property
    def open_alert(self) -> Alert | None:
        """The alert now open, as committed."""
        return self._open

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Start from the changelog; everything but this watch's own record is passed over."""
        value: bytes | None = None
        for key, candidate in entries:
            if key == self._key:
                value = candidate
        self._open = None if value is None else alert_from_document(decode_value(value)["alert"])
        self._pending = None

    def open(self, *, offset: int, started_ms: int, now_ms: int, message: str) -> Staged:
        """Stage an alert that begins at an offset; nothing where one is open."""
        if self._open is not None:
            return self._stage(self._open, ())
        place = self._place
        name = alert_id(
            kind=self._kind,
            stream=place.stream,
            topic_id=place.topic_id,
            partition=place.partition,
            offset=offset,
            row=0,
        )
        alert = Alert(
            id=name,
            revision=1,
            kind=self._kind,
            status=AlertStatus.OPEN,
            severity=self._severity,
            stream=place.stream,
            topic=place.topic,
            topic_id=place.topic_id,
            partition=place.partition,
            first_offset=offset,
            last_offset=offset,
            key=None,
            started_ms=started_ms,
            last_ms=now_ms,
            published_ms=now_ms,
            events=0,
            score_nats=0.0,
            tail_probability=1.0,
            threshold_nats=0.0,
            model_id="",
            reasons=(),
            event={},
            shadow=place.shadow,
            message=message,
            cause=Cause.BAD_DATA if self._kind is AlertKind.REJECTS else Cause.UNKNOWN,
        )
        return self._stage(alert, (alert,), (self._key, encode_value({"alert": alert_document(alert)})))

    def resolve(self, *, offset: int, now_ms: int, message: str) -> Staged:
        """Stage the end of the open alert; nothing where none is."""
        if self._open is None:
            return self._stage(None, ())
        last = replace(
            self._open,
            revision=self._open.revision + 1,
            status=AlertStatus.RESOLVED,
            last_offset=max(offset, self._open.last_offset),
            last_ms=now_ms,
            published_ms=now_ms,
            message=message,
        )
        return self._stage(None, (last,), (self._key, None))

    def nothing(self) -> Staged:
        """Stage no change."""
        return self._stage(self._open, ())

    def commit(self, staged: Staged) -> None:
        """The transaction with these records is committed. Raises ValueError for any but the latest staging."""
        if self._pending is None or self._pending[0] != staged.ticket:
            raise ValueError("only the latest staging can be committed, and only once")
        self._open = self._pending[1]
        self._pending = None

    def discard(self, staged: Staged) -> None:
        """The transaction was aborted: forget the staging."""
        if self._pending is not None and self._pending[0] == staged.ticket:
            self._pending = None

    def _stage(self, after: Alert | None, alerts: tuple[Alert, ...], *changes: Change) -> Staged:
        self._ticket += 1
        self._pending = (self._ticket, after)
        opened = sum(alert.status is AlertStatus.OPEN for alert in alerts)
        return Staged(alerts=alerts, changelog=changes, opened=opened, ticket=self._ticket)
