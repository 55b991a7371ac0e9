"""Letting go of old history, a little at a time, so that nobody waits long for the one writer's place."""

from typing import Any

from sqlalchemy import delete, select

from pipeline.catalogue.alert_tables import AlertRow, FeedbackRow
from pipeline.catalogue.connected import Connected
from pipeline.catalogue.service_tables import DecisionRow, JobRunRow, QualityRow

ROWS_AT_ONCE = 1_000
ENDED = ("succeeded", "refused", "failed", "skipped")


class HistoryRecords(Connected):
    """Retention of what only tells of the past."""

    def trim_history(self, stream: str, *, before_ms: int) -> int:
        """Delete a stream's alerts, runs that ended and quality results of before a moment; how many.

        What people gave feedback on and what a decision refers to stays. May be interrupted anywhere.
        """
        said = select(FeedbackRow.alert_id).where(FeedbackRow.stream == stream)
        led = select(DecisionRow.run_id).where(DecisionRow.stream == stream, DecisionRow.run_id.is_not(None))
        alerts = (AlertRow.stream == stream, AlertRow.alert_id.not_in(said))
        runs = (JobRunRow.stream == stream, JobRunRow.status.in_(ENDED), JobRunRow.run_id.not_in(led))
        return (
            self._trim(AlertRow, AlertRow.alert_id, AlertRow.published_ms, before_ms, alerts)
            + self._trim(JobRunRow, JobRunRow.run_id, JobRunRow.fire_ms, before_ms, runs)
            + self._trim(
                QualityRow, QualityRow.result_id, QualityRow.created_ms, before_ms, (QualityRow.stream == stream,)
            )
        )

    def _trim(self, table: Any, key: Any, moment: Any, before_ms: int, conditions: tuple[Any, ...]) -> int:
        """A transaction for every so many rows, oldest first; none looks again at what an earlier one kept."""
        deleted, since_ms = 0, None
        while True:
            query = select(key, moment).where(*conditions, moment < before_ms).order_by(moment).limit(ROWS_AT_ONCE)
            if since_ms is not None:
                query = query.where(moment >= since_ms)
            with self._writing() as connection:
                found = connection.execute(query).all()
                if not found:
                    return deleted
                # Asked again: feedback may have come since, in Postgres.
                gone = delete(table).where(key.in_([row[0] for row in found]), *conditions)
                deleted += connection.execute(gone).rowcount
            since_ms = found[-1][1]
