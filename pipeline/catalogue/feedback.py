"""The catalogue's part on feedback: what people said of alerts. Entries are never changed; the newest holds."""

from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, exists, func, insert, select

from pipeline.catalogue.alert_tables import AlertRow, FeedbackRow
from pipeline.catalogue.connected import Connected, fitted, table_of
from pipeline.catalogue.service_entries import FeedbackEntry

FEEDBACK = table_of(FeedbackRow)
EARLIER_SPANS = 10_000
"""Added before dividing and taken off again: databases round what is below zero towards it."""


class JudgedCount(NamedTuple):
    """Alerts of one model, begun in one span of time, that people judged."""

    span: int
    """Spans between the first and this one."""
    model_id: str
    confirmed: int
    false_positives: int
    scored: int
    """That people gave a score."""
    scores: float | None
    """Their sum."""


class Remark(NamedTuple):
    """What a person said of an alert, and of the alert its message alone."""

    alert_id: str
    stream: str
    verdict: str
    user: str
    score: float | None
    note: str
    given_ms: int
    message: str


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

    def newest_remarks(self, stream: str, limit: int) -> list[Remark]:
        """The newest word on each alert of a stream, newest first."""
        message = func.coalesce(FEEDBACK.c.alert["message"].as_string(), "")
        columns: list[Any] = [*(FEEDBACK.c[name] for name in Remark._fields[:-1]), message]
        query = select(*columns).where(_holds(stream))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(FEEDBACK.c.feedback_id.desc()).limit(limit))
            return [Remark(*row) for row in rows]

    def remarked(self, stream: str) -> int:
        """How many alerts of a stream people said something of."""
        query = select(func.count(FEEDBACK.c.alert_id.distinct())).where(FEEDBACK.c.stream == stream)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def judged_counts(self, stream: str, *, first_ms: int, span_ms: int) -> list[JudgedCount]:
        """By the newest word on each alert of a stream: counts by model and span of event time, the newest span first.

        Spans are counted from the one that begins at `first_ms`; those before it are below zero.
        """
        # Of an alert that was recorded too both are in columns, which are read many times faster than JSON.
        in_json = cast(FEEDBACK.c.alert["started_ms"].as_string(), BigInteger)
        started = func.coalesce(AlertRow.started_ms, in_json)
        span = (started + (EARLIER_SPANS * span_ms - first_ms)) // span_ms
        model = func.coalesce(AlertRow.model_id, FEEDBACK.c.alert["model_id"].as_string())
        recorded = and_(AlertRow.alert_id == FEEDBACK.c.alert_id, AlertRow.stream == FEEDBACK.c.stream)
        judged = FEEDBACK.c.verdict.in_(("confirmed", "false_positive"))
        of = select(span.label("span"), model.label("model_id"), FEEDBACK.c.verdict, FEEDBACK.c.score)
        said = of.outerjoin_from(FEEDBACK, AlertRow, recorded).where(_holds(stream), judged).subquery()
        confirmed = func.sum(case((said.c.verdict == "confirmed", 1), else_=0))
        sums = confirmed, func.count(), func.count(said.c.score), func.sum(said.c.score)
        query = select(said.c.span, said.c.model_id, *sums).group_by(said.c.span, said.c.model_id)
        query = query.where(said.c.span.is_not(None), said.c.model_id.is_not(None))
        with self._reading() as connection:
            rows = connection.execute(query.order_by(said.c.span.desc(), said.c.model_id.desc())).all()
        return [
            JudgedCount(at - EARLIER_SPANS, of_model, int(true), int(all_) - int(true), int(scored), scores)
            for at, of_model, true, all_, scored, scores in rows
        ]

    def _feedback(self, query: Any) -> list[FeedbackEntry]:
        with self._reading() as connection:
            return [FeedbackEntry(**row) for row in connection.execute(query).mappings()]


def _holds(stream: str) -> ColumnElement[bool]:
    """That no newer word on the same alert came since."""
    newer = FEEDBACK.alias()
    since = newer.c.alert_id == FEEDBACK.c.alert_id, newer.c.feedback_id > FEEDBACK.c.feedback_id
    return and_(FEEDBACK.c.stream == stream, ~exists().where(*since, newer.c.stream == stream))
