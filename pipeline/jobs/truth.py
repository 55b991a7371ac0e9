"""Alerts and flagged rows held against labels, where a stream has them. For reports only: nothing here decides."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipeline.alerts.identity import alert_id, key_hash
from pipeline.alerts.model import Alert, AlertKind
from pipeline.jobs.score_summary import Mask, RankHistogram


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """How alerts and flagged rows compare with the labels. Shares are None where their divisor is 0."""

    labelled_rows: int
    flagged_rows: int
    flagged_labelled_rows: int
    alerts: int
    true_alerts: int
    """Alerts with at least one labelled row among their flagged ones."""
    auroc: float | None
    average_precision: float | None

    @property
    def row_precision(self) -> float | None:
        """Labelled share of flagged rows."""
        return self.flagged_labelled_rows / self.flagged_rows if self.flagged_rows else None

    @property
    def row_recall(self) -> float | None:
        """Flagged share of labelled rows."""
        return self.flagged_labelled_rows / self.labelled_rows if self.labelled_rows else None

    @property
    def alert_precision(self) -> float | None:
        """Share of alerts that are true."""
        return self.true_alerts / self.alerts if self.alerts else None

    @property
    def false_alerts(self) -> int:
        """Alerts without a labelled row."""
        return self.alerts - self.true_alerts

    def to_document(self) -> dict[str, Any]:
        """As JSON."""
        shares = {name: getattr(self, name) for name in ("row_precision", "row_recall", "alert_precision")}
        return asdict(self) | shares


@dataclass(frozen=True, slots=True)
class _Sighting:
    offset: int
    anomalous: bool


class Truth:
    """Gathers flagged rows with their labels and tells which alerts hold a labelled one."""

    def __init__(self, *, stream: str, topic_id: str) -> None:
        self._stream, self._topic_id = stream, topic_id
        self._rows: dict[tuple[int, str], list[_Sighting]] = defaultdict(list)
        self._owner: dict[str, tuple[int, str]] = {}
        self._labelled = self._flagged = self._both = 0

    def count(self, flags: Mask, labels: Mask) -> None:
        """Count a batch, both of shape (B,)."""
        self._labelled += int(labels.sum())
        self._flagged += int(flags.sum())
        self._both += int(np.count_nonzero(flags & labels))

    def sighted(self, *, partition: int, offset: int, row: int, key: str | None, anomalous: bool) -> None:
        """A flagged row; every one of them is to be told."""
        owner = (partition, key_hash(key, topic_id=self._topic_id))
        self._rows[owner].append(_Sighting(offset, anomalous))
        first = alert_id(
            kind=AlertKind.ANOMALY,
            stream=self._stream,
            topic_id=self._topic_id,
            partition=partition,
            offset=offset,
            row=row,
        )
        self._owner[first] = owner

    def is_true(self, alert: Alert) -> bool:
        """Whether a labelled row is among an alert's: of its key, or of any key for a storm."""
        owner = self._owner.get(alert.id)
        if owner is not None and alert.kind is AlertKind.ANOMALY:
            candidates = self._rows[owner]
        else:
            candidates = [
                row for (partition, _), rows in self._rows.items() if partition == alert.partition for row in rows
            ]
        return any(row.anomalous and alert.first_offset <= row.offset <= alert.last_offset for row in candidates)

    def figures(self, alerts: Iterable[Alert], ranks: RankHistogram) -> LabelFigures | None:
        """The figures; None without a labelled row."""
        if not self._labelled:
            return None
        verdicts = [self.is_true(alert) for alert in alerts]
        return LabelFigures(
            labelled_rows=self._labelled,
            flagged_rows=self._flagged,
            flagged_labelled_rows=self._both,
            alerts=len(verdicts),
            true_alerts=sum(verdicts),
            auroc=ranks.auroc(),
            average_precision=ranks.average_precision(),
        )
