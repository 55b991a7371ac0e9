"""The catalogue's part on feedback: what people said of alerts. Entries are never changed; the newest holds."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import func, insert, select

from pipeline.catalogue.connected import Connected, fitted, table_of
from pipeline.catalogue.service_entries import FeedbackEntry
from pipeline.catalogue.service_tables import FeedbackRow

FEEDBACK = table_of(FeedbackRow)


class FeedbackRecords(Connected):
    """What is asked about feedback."""

    def add_feedback(self, entry: FeedbackEntry) -> int:
        """Write down what a person said; its id, higher than that of everything that could be read before."""
        row = fitted(FEEDBACK, asdict(entry))
        del row["feedback_id"]
        with self._writing() as connection:
            # Ids become visible in their order, or who asks for what came after an id would miss some.
            self._alone_on(connection, "feedback")
            return int(connection.execute(insert(FEEDBACK).values(row).returning(FEEDBACK.c.feedback_id)).scalar_one())

    def feedback(self, stream: str, after_id: int = 0) -> list[FeedbackEntry]:
        """The newest word on each alert of a stream, where that came after an id; oldest first."""
        newest = select(func.max(FeedbackRow.feedback_id)).where(
            FeedbackRow.stream == stream, FeedbackRow.feedback_id > after_id
        )
        query = select(FEEDBACK).where(FeedbackRow.feedback_id.in_(newest.group_by(FeedbackRow.alert_id)))
        return self._feedback(query.order_by(FeedbackRow.feedback_id))

    def feedback_on(self, alert_id: str) -> list[FeedbackEntry]:
        """Everything that was said of one alert, newest first."""
        query = select(FEEDBACK).where(FeedbackRow.alert_id == alert_id)
        return self._feedback(query.order_by(FeedbackRow.feedback_id.desc()))

    def _feedback(self, query: Any) -> list[FeedbackEntry]:
        with self._reading() as connection:
            return [FeedbackEntry(**row) for row in connection.execute(query).mappings()]
