"""What one batch has brought about so far."""

from dataclasses import dataclass, field, replace

from pipeline.alerts.book import Book
from pipeline.alerts.episodes import Episode, published
from pipeline.alerts.model import Alert, AlertStatus
from pipeline.alerts.staged import Staged


@dataclass(slots=True)
class Batch:
    """Collects alerts and counts while a batch is worked through; `book` is the working state."""

    book: Book
    now_ms: int = field(kw_only=True)
    suppressed: int = 0
    below_minimum: int = 0
    judged_false: int = 0
    absorbed: int = 0
    shed: int = 0
    _alerts: list[Alert] = field(default_factory=list)

    def publish(self, episode: Episode) -> Episode:
        """Send the episode's alert out as it stands; returns the episode."""
        self._alerts.append(episode.alert)
        return episode

    def taken_over(self, episode: Episode, storm: Episode) -> Episode:
        """The last revision of an alert that a storm now stands for."""
        line = f"taken over by the storm {storm.alert.id}"
        last = published(episode, AlertStatus.RESOLVED, now_ms=self.now_ms, message=line)
        return replace(last, alert=replace(last.alert, storm_id=storm.alert.id))

    def staged(self, ticket: int) -> Staged:
        """The batch as records and counts."""
        return Staged(
            alerts=tuple(self._alerts),
            changelog=self.book.changes(),
            opened=sum(alert.status is AlertStatus.OPEN for alert in self._alerts),
            suppressed=self.suppressed,
            below_minimum=self.below_minimum,
            judged_false=self.judged_false,
            absorbed=self.absorbed,
            shed=self.shed,
            ticket=ticket,
        )
