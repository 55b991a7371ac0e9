"""The catalogue's tables, in terms that SQLite and Postgres share."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """Collects the tables; what the migrations build must equal it (a test compares)."""


def identifier(length: int) -> String:
    """The type of ids that people give by their beginning. In every database they are ordered by code point, so that
    all ids with one beginning lie side by side in an index; Postgres orders by a language's rules unless told."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class StreamRow(Base):
    """A stream and the spec it was last used with."""

    __tablename__ = "streams"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)


class ModelRow(Base):
    """A model bundle's facts."""

    __tablename__ = "models"

    model_id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
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
    model_id: Mapped[str] = mapped_column(identifier(64), ForeignKey("models.model_id"))
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


class GeneratorRow(Base):
    """A fitted generator's facts; its files lie in the generator store."""

    __tablename__ = "generators"

    generator_id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    model: Mapped[str] = mapped_column(String(100))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[dict[str, Any]] = mapped_column(JSON)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (Index("ix_generators_stream_created", "stream", "created_ms"),)


class DatasetRow(Base):
    """A synthetic dataset. Its manifest's hash is kept here too, where who alters the files cannot mend it."""

    __tablename__ = "datasets"

    dataset_id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    generator_id: Mapped[str] = mapped_column(identifier(64), ForeignKey("generators.generator_id"))
    status: Mapped[str] = mapped_column(String(20))
    rows: Mapped[int] = mapped_column(BigInteger)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    verdict: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index("ix_datasets_stream_created", "stream", "created_ms"),
        Index("ix_datasets_generator", "generator_id"),
    )


class GenerationRequestRow(Base):
    """What was asked of a generator, when, after which other request, and what came of it."""

    __tablename__ = "generation_requests"

    request_id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    generator_id: Mapped[str] = mapped_column(identifier(64), ForeignKey("generators.generator_id"))
    parent_id: Mapped[str | None] = mapped_column(identifier(64), ForeignKey("generation_requests.request_id"))
    dataset_id: Mapped[str] = mapped_column(identifier(64))
    status: Mapped[str] = mapped_column(String(20))
    asked_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    asked: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("ix_generation_requests_stream_asked", "stream", "asked_ms"),
        Index("ix_generation_requests_dataset_asked", "dataset_id", "asked_ms"),
        Index("ix_generation_requests_parent", "parent_id"),
        Index("ix_generation_requests_generator", "generator_id"),
    )
