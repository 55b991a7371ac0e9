"""The life of one episode as pure functions: opened by a row, joined by more, published, resolved.

An episode is a run of flagged rows of one key; a storm is one of a cause. Both are an `Alert` as it now stands plus
what decides its future. Times ending in `seen_ms` are on the partition's clock: event time that never goes back.
"""

from dataclasses import dataclass, replace

from detectors.base import Reason
from pipeline.alerts.identity import alert_id
from pipeline.alerts.masking import Masking, plain_event, plain_reason
from pipeline.alerts.messages import anomaly_message
from pipeline.alerts.model import Alert, AlertKind, AlertStatus, Cause, Flagged, Severity
from pipeline.alerts.severity import worse


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a state machine works: part of every alert it makes."""

    stream: str
    topic: str
    topic_id: str
    partition: int
    shadow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What decided on a batch's rows; the same for all of them."""

    model_id: str
    threshold_nats: float
    threshold_probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A flagged row that the rules let through."""

    flagged: Flagged
    reasons: tuple[Reason, ...]
    """Unmasked; without those that deviate too little."""
    key_hash: str
    seen_ms: int
    """The row's time on the partition's clock."""
    severity: Severity
    verdict: Verdict

    @property
    def cause(self) -> str:
        """What storms are counted by: the column of the first reason, empty where there is none."""
        return self.reasons[0].column if self.reasons else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """An open alert and what decides its future."""

    alert: Alert
    """As it stands, masked; its revision is the last one published, 0 before the first."""
    slot: str
    """What the episode is grouped by: the key's hash, or a storm's cause."""
    cause: str
    first_row: int
    last_row: int
    opened_seen_ms: int
    last_seen_ms: int
    published_seen_ms: int
    """When it was last published, on the partition's clock."""
    last_append_ms: int
    """Append time of the newest row, for resolving by wall clock."""
    judged: int = 0
    """Rows whose cause is known."""
    bad: int = 0
    """Those of them that are bad data."""

    @property
    def order(self) -> tuple[int, int]:
        """Where its newest row lies in the partition."""
        return self.alert.last_offset, self.last_row


def opened(sighting: Sighting, place: Place, masker: Masking) -> Episode:
    """The episode that a row begins, not yet published."""
    row = sighting.flagged
    name = alert_id(
        kind=AlertKind.ANOMALY,
        stream=place.stream,
        topic_id=place.topic_id,
        partition=place.partition,
        offset=row.offset,
        row=row.row,
    )
    alert = Alert(
        id=name,
        revision=0,
        kind=AlertKind.ANOMALY,
        status=AlertStatus.OPEN,
        severity=sighting.severity,
        stream=place.stream,
        topic=place.topic,
        topic_id=place.topic_id,
        partition=place.partition,
        first_offset=row.offset,
        last_offset=row.offset,
        key=masker.key(row.key),
        started_ms=row.time_ms,
        last_ms=row.time_ms,
        published_ms=0,
        events=1,
        score_nats=row.score_nats,
        tail_probability=row.tail_probability,
        threshold_nats=sighting.verdict.threshold_nats,
        model_id=sighting.verdict.model_id,
        reasons=tuple(plain_reason(masker.reason(reason)) for reason in sighting.reasons),
        event=plain_event(masker.event(row.event)),
        shadow=place.shadow,
        key_hash=masker.key_hash(row.key, topic_id=place.topic_id),
        cause=row.cause,
        cause_detail=row.cause_detail,
    )
    return Episode(
        alert=alert,
        slot=sighting.key_hash,
        cause=sighting.cause,
        first_row=row.row,
        last_row=row.row,
        opened_seen_ms=sighting.seen_ms,
        last_seen_ms=sighting.seen_ms,
        published_seen_ms=sighting.seen_ms,
        last_append_ms=row.append_time_ms,
        judged=int(row.cause is not Cause.UNKNOWN),
        bad=int(row.cause is Cause.BAD_DATA),
    )


def joined(episode: Episode, sighting: Sighting, masker: Masking, *, keys: int = 1) -> Episode:
    """The episode with one more row, standing for `keys` keys. The rarest row is the one it shows; the model named is
    the one that scored it."""
    row, alert = sighting.flagged, episode.alert
    alert = replace(
        alert,
        severity=worse(alert.severity, sighting.severity),
        last_offset=row.offset,
        started_ms=min(alert.started_ms, row.time_ms),
        last_ms=max(alert.last_ms, row.time_ms),
        events=alert.events + 1,
        keys=keys,
    )
    judged = episode.judged + (row.cause is not Cause.UNKNOWN)
    bad = episode.bad + (row.cause is Cause.BAD_DATA)
    alert = blamed(alert, judged=judged, bad=bad, detail=row.cause_detail if row.cause is Cause.BAD_DATA else "")
    if _rarer(row, alert):
        alert = replace(
            alert,
            score_nats=row.score_nats,
            tail_probability=row.tail_probability,
            threshold_nats=sighting.verdict.threshold_nats,
            model_id=sighting.verdict.model_id,
            reasons=tuple(plain_reason(masker.reason(reason)) for reason in sighting.reasons),
            event=plain_event(masker.event(row.event)),
        )
    return replace(
        episode,
        alert=alert,
        last_row=row.row,
        last_seen_ms=max(episode.last_seen_ms, sighting.seen_ms),
        last_append_ms=max(episode.last_append_ms, row.append_time_ms),
        judged=judged,
        bad=bad,
    )


def blamed(alert: Alert, *, judged: int, bad: int, detail: str) -> Alert:
    """The alert with the cause of most of its judged rows, bad data where it is half of them. `detail` is the newest
    row's, empty where that is not bad data."""
    if not judged:
        return alert
    if 2 * bad < judged:
        return replace(alert, cause=Cause.ODD_BEHAVIOUR, cause_detail="")
    kept = alert.cause_detail if alert.cause is Cause.BAD_DATA else ""
    return replace(alert, cause=Cause.BAD_DATA, cause_detail=detail or kept)


def published(episode: Episode, status: AlertStatus, *, now_ms: int, message: str | None = None) -> Episode:
    """The episode as it goes out: the next revision, with its line for people."""
    alert = episode.alert
    line = anomaly_message(alert.reasons, alert.events) if message is None else message
    alert = replace(alert, revision=alert.revision + 1, status=status, published_ms=now_ms, message=line)
    return replace(episode, alert=alert, published_seen_ms=episode.last_seen_ms)


def due(before: Episode, after: Episode, *, update_ms: int) -> bool:
    """Whether growth must be published: long enough since the last time, more urgent than it was, or of another
    cause."""
    if after.alert.severity is not before.alert.severity or after.alert.cause is not before.alert.cause:
        return True
    return after.last_seen_ms - after.published_seen_ms >= update_ms


def _rarer(row: Flagged, alert: Alert) -> bool:
    if row.tail_probability != alert.tail_probability:
        return row.tail_probability < alert.tail_probability
    return row.score_nats > alert.score_nats
