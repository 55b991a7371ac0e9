"""Storms: when many keys open alerts for one cause at once, one alert stands for them all.

The cause is the column of an episode's first reason. Counted is one partition, since an engine sees no other.
"""

from dataclasses import replace

from pipeline.alerts.book import Book
from pipeline.alerts.episodes import Episode, blamed
from pipeline.alerts.identity import alert_id
from pipeline.alerts.messages import storm_message
from pipeline.alerts.model import AlertKind, AlertStatus, Cause
from pipeline.alerts.severity import worse


def gathering(book: Book, cause: str, *, window_ms: int, keys: int) -> list[Episode]:
    """The open episodes of a cause that began within the window, oldest first, where there are `keys` at least; else
    none.

    Openings that have left the window are forgotten on the way: the clock does not go back, so they never count again.
    """
    openings = book.openings.get(cause, {})
    if len(openings) < keys:
        return []
    for slot in [slot for slot, seen_ms in openings.items() if seen_ms <= book.clock_ms - window_ms]:
        del openings[slot]
    if len(openings) < keys:
        return []
    episodes = [book.episodes[slot] for slot in openings]
    return sorted(episodes, key=lambda e: (e.alert.first_offset, e.first_row))


def storm_of(episodes: list[Episode]) -> Episode:
    """The storm that stands for these episodes (oldest first, at least one), not yet published."""
    first = episodes[0]
    worst = min(episodes, key=lambda e: (e.alert.tail_probability, -e.alert.score_nats)).alert
    newest = max(episodes, key=lambda e: e.order)
    name = alert_id(
        kind=AlertKind.STORM,
        stream=worst.stream,
        topic_id=worst.topic_id,
        partition=worst.partition,
        offset=first.alert.first_offset,
        row=first.first_row,
    )
    severity = worst.severity
    for episode in episodes:
        severity = worse(severity, episode.alert.severity)
    alert = replace(
        worst,
        id=name,
        revision=0,
        kind=AlertKind.STORM,
        status=AlertStatus.OPEN,
        severity=severity,
        key=None,
        key_hash=None,
        first_offset=first.alert.first_offset,
        last_offset=newest.alert.last_offset,
        started_ms=min(e.alert.started_ms for e in episodes),
        last_ms=max(e.alert.last_ms for e in episodes),
        events=sum(e.alert.events for e in episodes),
        keys=len(episodes),
        message="",
    )
    judged, bad = sum(e.judged for e in episodes), sum(e.bad for e in episodes)
    details = [e.alert.cause_detail for e in episodes if e.alert.cause is Cause.BAD_DATA]
    alert = blamed(alert, judged=judged, bad=bad, detail=details[-1] if details else "")
    return replace(
        first,
        alert=alert,
        slot=first.cause,
        last_row=newest.last_row,
        opened_seen_ms=newest.opened_seen_ms,
        last_seen_ms=max(e.last_seen_ms for e in episodes),
        last_append_ms=max(e.last_append_ms for e in episodes),
        judged=judged,
        bad=bad,
    )


def message_of(storm: Episode, *, most_keys: int) -> str:
    """The storm's line for people."""
    alert = storm.alert
    return storm_message(storm.cause, keys=alert.keys, keys_capped=alert.keys >= most_keys, events=alert.events)
