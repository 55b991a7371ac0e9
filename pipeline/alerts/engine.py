"""The alerts of one partition as a state machine: rows in, alerts out, no clock of its own and no I/O.

The same rows give the same alerts however they are cut into batches: everything is decided row by row, on the
partition's clock, which is its event-time watermark and so never goes back (a row older than the watermark counts as
seen at the watermark: negative gaps are zero). The clock moves in steps of a tenth of the grouping gap, so that it can
be kept in the changelog without a record for every batch; an alert is therefore resolved up to one step late.

A resume restarts at the last committed batch: `restore` takes the changelog as it was committed with the offsets.
"""

from collections.abc import Callable, Iterable, Sequence

from pipeline.alerts.batch import Batch
from pipeline.alerts.book import Book
from pipeline.alerts.episodes import Episode, Place, Sighting, Verdict, due, joined, opened, published
from pipeline.alerts.identity import key_hash
from pipeline.alerts.masking import Masking
from pipeline.alerts.model import AlertStatus, Flagged
from pipeline.alerts.severity import severity_of
from pipeline.alerts.staged import Staged
from pipeline.alerts.storms import gathering, message_of, storm_of
from pipeline.alerts.suppression import QUIET_NOTHING, Quiet, Rules
from pipeline.config import StreamSpec

MAX_OPEN = 5_000
"""Open alerts a partition holds at most, and keys a storm tells apart: beyond, the alert longest untouched is resolved
early (counted as shed), and a storm says "at least"."""
TICK_GRACE_MS = 5_000
"""What the wall clock waits beyond the gap, for rows on their way from the broker."""


class AlertEngine:
    """Turns one partition's flagged rows into alerts. Not for use from two threads."""

    def __init__(
        self, spec: StreamSpec, *, topic_id: str, partition: int, masker: Masking, max_open: int = MAX_OPEN
    ) -> None:
        """Raises ConfigError where a rule of the spec cannot be used."""
        alerts = spec.alerts
        self._spec = alerts
        self._place = Place(
            stream=spec.stream, topic=spec.topic, topic_id=topic_id, partition=partition, shadow=alerts.shadow
        )
        self._masker = masker
        self._rules = Rules(alerts.suppress, alerts.minimum_deviation)
        self._gap_ms = round(alerts.group_gap_seconds * 1000)
        self._step_ms = max(1_000, self._gap_ms // 10)
        self._update_ms = round(alerts.update_seconds * 1000)
        self._window_ms = round(alerts.storm.window_seconds * 1000)
        self._max_open = max_open
        self._book = Book(topic_id)
        self._ticket = 0
        self._pending: Staged | None = None

    @property
    def open_alerts(self) -> int:
        """Alerts now open, storms included; those that storms absorbed are not counted."""
        return len(self._book.episodes) + len(self._book.storms)

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Start from a changelog, in offset order; what is not the engine's is passed over. Raises ConfigError."""
        self._pending = None
        self._book.restore(entries)

    def observe(
        self,
        flagged: Sequence[Flagged],
        *,
        watermark_ms: int,
        now_ms: int,
        model_id: str,
        threshold_nats: float,
        threshold_probability: float,
        quiet: Quiet = QUIET_NOTHING,
    ) -> Staged:
        """What a batch's flagged rows change, in offset order. To be called for every batch, also without such rows.

        `watermark_ms` is the newest event time of the partition's rows up to the batch's end; `threshold_probability`
        is the tail probability of a score at the threshold; `quiet` says which rows are like alerts that people
        called false.
        """
        self._begin()
        verdict = Verdict(model_id=model_id, threshold_nats=threshold_nats, threshold_probability=threshold_probability)
        batch = Batch(self._book, now_ms=now_ms)
        for row in flagged:
            newest_ms = row.time_ms if row.watermark_ms is None else max(row.watermark_ms, row.time_ms)
            self._advance(newest_ms, batch)
            self._take(row, verdict, quiet, batch)
        self._advance(watermark_ms, batch)
        return self._stage(batch)

    def tick(self, *, now_ms: int) -> Staged:
        """Resolve what has been quiet for the gap (and a grace) by append time. To be called only for a partition
        that has been read to its end: rows still to be read could belong to what this resolves."""
        self._begin()
        batch = Batch(self._book, now_ms=now_ms)
        self._resolve_if(lambda e: now_ms - e.last_append_ms > self._gap_ms + TICK_GRACE_MS, batch)
        return self._stage(batch)

    def commit(self, staged: Staged) -> None:
        """The transaction with these records is committed. Raises ValueError for any but the latest staging."""
        if self._pending is None or staged.ticket != self._pending.ticket:
            raise ValueError("only the latest staging can be committed, and only once")
        self._book.accept(staged.changelog)
        self._pending = None

    def discard(self, staged: Staged) -> None:
        """The transaction was aborted: forget the staging. One that is no longer the latest is forgotten already."""
        if self._pending is not None and staged.ticket == self._pending.ticket:
            self._begin()

    def _begin(self) -> None:
        if self._pending is not None:
            self._book.roll_back()
            self._pending = None

    def _stage(self, batch: Batch) -> Staged:
        self._ticket += 1
        self._pending = batch.staged(self._ticket)
        return self._pending

    def _advance(self, newest_ms: int, batch: Batch) -> None:
        """Move the clock to the step that holds `newest_ms` and resolve what has become quiet."""
        clock_ms = newest_ms // self._step_ms * self._step_ms
        if clock_ms <= self._book.clock_ms:
            return
        self._book.set_clock(clock_ms)
        self._resolve_if(lambda e: clock_ms - e.last_seen_ms > self._gap_ms, batch, stop_early=True)

    def _resolve_if(self, quiet: Callable[[Episode], bool], batch: Batch, *, stop_early: bool = False) -> None:
        """Resolve every quiet episode and storm, in the order in which the clock reached them."""
        found = [storm for storm in self._book.storms.values() if quiet(storm)]
        for episode in self._book.episodes.values():
            if quiet(episode):
                found.append(episode)
            elif stop_early and self._book.clock_ms - episode.last_seen_ms <= self._gap_ms - self._step_ms:
                break  # those after it were seen at most one step earlier than it
        for episode in sorted(found, key=lambda e: ((e.last_seen_ms + self._gap_ms) // self._step_ms, e.order, e.slot)):
            self._resolve(episode, batch)

    def _take(self, row: Flagged, verdict: Verdict, quiet: Quiet, batch: Batch) -> None:
        """One flagged row: rules, then its key's episode, then a storm of its cause, then a new episode."""
        if self._rules.suppressed_by(row) is not None:
            batch.suppressed += 1
            return
        reasons = self._rules.remaining_reasons(row, threshold_nats=verdict.threshold_nats)
        if reasons is None:
            batch.below_minimum += 1
            return
        if quiet.quiet(row, reasons, self._masker, topic_id=self._place.topic_id):
            batch.judged_false += 1
            return
        sighting = Sighting(
            flagged=row,
            reasons=reasons,
            key_hash=key_hash(row.key, topic_id=self._place.topic_id),
            seen_ms=max(self._book.clock_ms, row.time_ms),
            severity=severity_of(row.tail_probability, verdict.threshold_probability, self._spec.severity),
            verdict=verdict,
        )
        if (episode := self._live(self._book.episodes.get(sighting.key_hash), sighting, batch)) is not None:
            self._join(episode, sighting, batch)
        elif (storm := self._live(self._book.storms.get(sighting.cause), sighting, batch)) is not None:
            self._absorb(storm, sighting, batch)
        else:
            self._open(sighting, batch)

    def _live(self, episode: Episode | None, sighting: Sighting, batch: Batch) -> Episode | None:
        """The episode if a row may still join it; one that has been quiet too long is resolved."""
        if episode is not None and sighting.seen_ms - episode.last_seen_ms > self._gap_ms:
            self._resolve(episode, batch)
            return None
        return episode

    def _join(self, episode: Episode, sighting: Sighting, batch: Batch) -> None:
        grown = joined(episode, sighting, self._masker)
        if due(episode, grown, update_ms=self._update_ms):
            grown = batch.publish(published(grown, AlertStatus.UPDATED, now_ms=batch.now_ms))
        self._book.put_episode(grown)

    def _absorb(self, storm: Episode, sighting: Sighting, batch: Batch) -> None:
        members = self._book.members[storm.cause]
        if sighting.key_hash not in members and len(members) < self._max_open:
            self._book.add_member(storm.cause, sighting.key_hash)
        batch.absorbed += 1
        grown = joined(storm, sighting, self._masker, keys=len(members))
        if due(storm, grown, update_ms=self._update_ms):
            grown = batch.publish(self._storm_published(grown, AlertStatus.UPDATED, batch))
        self._book.put_storm(grown)

    def _open(self, sighting: Sighting, batch: Batch) -> None:
        episode = opened(sighting, self._place, self._masker)
        self._book.put_episode(episode)
        together = gathering(self._book, episode.cause, window_ms=self._window_ms, keys=self._spec.storm.keys)
        if together:
            self._break_out(together, batch)
            return
        self._book.put_episode(batch.publish(published(episode, AlertStatus.OPEN, now_ms=batch.now_ms)))
        while len(self._book.episodes) > self._max_open:
            oldest = next(iter(self._book.episodes.values()))
            self._resolve(oldest, batch, message=f"resolved early: more than {self._max_open:,} alerts were open")
            batch.shed += 1

    def _break_out(self, episodes: list[Episode], batch: Batch) -> None:
        """Open a storm for these episodes; those already published are resolved in its favour."""
        storm = batch.publish(self._storm_published(storm_of(episodes), AlertStatus.OPEN, batch))
        self._book.put_storm(storm)
        for episode in episodes:
            if episode.alert.revision > 0:
                batch.publish(batch.taken_over(episode, storm))
            else:
                batch.absorbed += episode.alert.events
            self._book.drop_episode(episode)
            self._book.add_member(storm.cause, episode.slot)

    def _storm_published(self, storm: Episode, status: AlertStatus, batch: Batch) -> Episode:
        message = message_of(storm, most_keys=self._max_open)
        return published(storm, status, now_ms=batch.now_ms, message=message)

    def _resolve(self, episode: Episode, batch: Batch, *, message: str | None = None) -> None:
        if self._book.storms.get(episode.cause) is episode:
            batch.publish(self._storm_published(episode, AlertStatus.RESOLVED, batch))
            self._book.drop_storm(episode)
            return
        batch.publish(published(episode, AlertStatus.RESOLVED, now_ms=batch.now_ms, message=message))
        self._book.drop_episode(episode)
