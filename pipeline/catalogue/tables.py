"""The catalogue's tables, in terms that SQLite and Postgres share."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Collects the tables; what the migrations build must equal it (a test compares)."""


class StreamRow(Base):
    """A stream and the spec it was last used with."""

    __tablename__ = "streams"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)


class ModelRow(Base):
    """A model bundle's facts."""

    __tablename__ = "models"

    model_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    detector: Mapped[str] = mapped_column(String(100))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    threshold_nats: Mapped[float] = mapped_column(Float)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (Index("ix_models_stream_created", "stream", "created_ms"),)


class ChampionRow(Base):
    """A promotion. The newest of a stream is its champion; rows are never changed, so they are the history."""

    __tablename__ = "champions"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    model_id: Mapped[str] = mapped_column(String(64), ForeignKey("models.model_id"))
    reason: Mapped[str] = mapped_column(Text)
    since_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_champions_stream_id", "stream", "id"),)


class WorkerRow(Base):
    """The last heartbeat of a worker for a stream."""

    __tablename__ = "workers"

    worker_id: Mapped[str] = mapped_column(String(400), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    stream: Mapped[str] = mapped_column(String(100))
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(Integer)
    slot: Mapped[int] = mapped_column(Integer)
    started_ms: Mapped[int] = mapped_column(BigInteger)
    seen_ms: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[dict[str, Any]] = mapped_column(JSON)
