"""The catalogue's part on forgetting: records of a stream that are kept no longer."""

from typing import Any

from sqlalchemy import delete, select

from pipeline.catalogue.connected import Connected
from pipeline.catalogue.service_tables import AlertRow, JobRunRow, QualityRow

BATCH_ROWS = 2_000
"""Deleted in one transaction: whoever writes meanwhile does not wait for the whole."""


class HistoryRecords(Connected):
    """Deletes old records. What people said of alerts, evaluations, decisions and lineage stay for good."""

    def trim_history(self, stream: str, *, before_ms: int) -> int:
        """Delete a stream's runs that have ended, alerts and quality results of before a moment. Returns how many.

        May be stopped at any moment and done again.
        """
        ended = JobRunRow.status.not_in(("queued", "running"))
        runs = self._trim(JobRunRow.run_id, JobRunRow.stream == stream, JobRunRow.fire_ms < before_ms, ended)
        alerts = self._trim(AlertRow.alert_id, AlertRow.stream == stream, AlertRow.last_ms < before_ms,
                            AlertRow.published_ms < before_ms)  # fmt: skip
        results = self._trim(QualityRow.result_id, QualityRow.stream == stream, QualityRow.created_ms < before_ms)
        return runs + alerts + results

    def _trim(self, key: Any, *conditions: Any) -> int:
        gone = 0
        while True:
            with self._writing() as connection:
                old = list(connection.execute(select(key).where(*conditions).limit(BATCH_ROWS)).scalars())
                if old:
                    connection.execute(delete(key.class_).where(key.in_(old)))
            gone += len(old)
            if len(old) < BATCH_ROWS:
                return gone
