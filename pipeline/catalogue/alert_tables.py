"""The tables of alerts: as they were recorded, what people said of them, and canaries, which never become alerts."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pipeline.catalogue.tables import Base, identifier


class AlertRow(Base):
    """An alert as it last stood, personal columns masked as in the topic."""

    __tablename__ = "alerts"

    alert_id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    revision: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    severity: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(20))
    """odd_behaviour, bad_data or unknown."""
    started_ms: Mapped[int] = mapped_column(BigInteger)
    last_ms: Mapped[int] = mapped_column(BigInteger)
    published_ms: Mapped[int] = mapped_column(BigInteger)
    model_id: Mapped[str] = mapped_column(identifier(64))
    shadow: Mapped[bool] = mapped_column(Boolean)
    document: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The whole alert, as published."""

    __table_args__ = (
        Index("ix_alerts_stream_started", "stream", "started_ms"),
        Index("ix_alerts_stream_published", "stream", "published_ms"),
        Index("ix_alerts_stream_cause_published", "stream", "cause", "published_ms"),
        Index("ix_alerts_published", "published_ms"),
        Index("ix_alerts_stream_model_started", "stream", "model_id", "started_ms"),
    )


class ConsumerOffsetRow(Base):
    """Where a consumer that writes to this database goes on; written with what it wrote, in one transaction."""

    __tablename__ = "consumer_offsets"

    consumer: Mapped[str] = mapped_column(String(200), primary_key=True)
    topic: Mapped[str] = mapped_column(String(255), primary_key=True)
    topic_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    partition: Mapped[int] = mapped_column(Integer, primary_key=True)
    next_offset: Mapped[int] = mapped_column(BigInteger)


class FeedbackRow(Base):
    """What a person said of an alert. The newest row of an alert holds."""

    __tablename__ = "feedback"

    feedback_id: Mapped[int] = mapped_column(Integer, primary_key=True)
    alert_id: Mapped[str] = mapped_column(identifier(64))
    stream: Mapped[str] = mapped_column(String(100))
    verdict: Mapped[str] = mapped_column(String(20))
    """false_positive, confirmed or withdrawn."""
    user: Mapped[str] = mapped_column(String(200))
    score: Mapped[float | None] = mapped_column(Float)
    """How good the alert was, 0 to 1, by the person."""
    note: Mapped[str] = mapped_column(Text)
    given_ms: Mapped[int] = mapped_column(BigInteger)
    alert: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The alert as it stood, so that feedback outlives it."""

    __table_args__ = (
        Index("ix_feedback_alert", "alert_id", "feedback_id"),
        Index("ix_feedback_stream", "stream", "feedback_id"),
    )


class CanaryRow(Base):
    """How many canaries of one family a model caught in one hour."""

    __tablename__ = "canaries"

    stream: Mapped[str] = mapped_column(String(100), primary_key=True)
    model_id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
    family: Mapped[str] = mapped_column(String(100), primary_key=True)
    hour_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    injected: Mapped[int] = mapped_column(Integer)
    caught: Mapped[int] = mapped_column(Integer)

    __table_args__ = (Index("ix_canaries_stream_hour", "stream", "hour_ms"),)
