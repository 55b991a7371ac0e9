"""The tables of the scheduled service: jobs, leases, evaluations, decisions, quality, lineage."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from pipeline.catalogue.tables import Base, identifier


class LeaseRow(Base):
    """Who may publish. The epoch rises with every change of holder, and never falls."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    epoch: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str] = mapped_column(String(400))
    expires_ms: Mapped[int] = mapped_column(BigInteger)


class JobStateRow(Base):
    """What the scheduler remembers of a job between leaders."""

    __tablename__ = "job_states"

    stream: Mapped[str] = mapped_column(String(100), primary_key=True)
    job: Mapped[str] = mapped_column(String(100), primary_key=True)
    paused: Mapped[bool] = mapped_column(Boolean)
    paused_by: Mapped[str] = mapped_column(String(200))
    since_ms: Mapped[int] = mapped_column(BigInteger)
    """From when on its fires count; a fire before it was never due."""
    last_fire_ms: Mapped[int | None] = mapped_column(BigInteger)
    """The newest fire that became a run, or was skipped."""


class JobRunRow(Base):
    """One run of one job: a fire of its schedule, or asked for. A job's fire becomes one run, whoever leads."""

    __tablename__ = "job_runs"

    run_id: Mapped[str] = mapped_column(identifier(32), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    job: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(40))
    fire_ms: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(20))
    """queued, running, succeeded, refused, failed, skipped."""
    origin: Mapped[str] = mapped_column(String(200))
    """schedule, or who or what asked for it."""
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON)
    attempt: Mapped[int] = mapped_column(Integer)
    """From 1, with every start."""
    failures: Mapped[int] = mapped_column(Integer)
    """Attempts that died or failed; one that lost its leader did not."""
    not_before_ms: Mapped[int] = mapped_column(BigInteger)
    """Back-off: queued until then."""
    epoch: Mapped[int | None] = mapped_column(BigInteger)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int | None] = mapped_column(Integer)
    started_ms: Mapped[int | None] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    progress: Mapped[float] = mapped_column(Float)
    doing: Mapped[str] = mapped_column(String(400))
    reason: Mapped[str] = mapped_column(Text)
    last_lines: Mapped[str] = mapped_column(Text)
    """Of what a child that died had said."""
    result: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        UniqueConstraint("stream", "job", "fire_ms", name="uq_job_runs_fire"),
        Index("ix_job_runs_status_fire", "status", "fire_ms"),
        Index("ix_job_runs_stream_status_fire", "stream", "status", "fire_ms"),
        Index("ix_job_runs_job_status_fire", "stream", "job", "status", "fire_ms"),
        Index("ix_job_runs_stream_fire", "stream", "fire_ms"),
        Index("ix_job_runs_fire", "fire_ms"),
    )


class SchemaVersionRow(Base):
    """A version of a stream's schema, as the archive first saw it."""

    __tablename__ = "schema_versions"

    stream: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    columns: Mapped[dict[str, Any]] = mapped_column(JSON)
    seen_ms: Mapped[int] = mapped_column(BigInteger)


class EvaluationRow(Base):
    """Figures of one model, or of a baseline beside it, on one held-out replay."""

    __tablename__ = "evaluations"

    evaluation_id: Mapped[str] = mapped_column(identifier(32), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    model_id: Mapped[str] = mapped_column(identifier(64), ForeignKey("models.model_id"))
    """The challenger that the comparison was about."""
    created_ms: Mapped[int] = mapped_column(BigInteger)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index("ix_evaluations_stream_created", "stream", "created_ms"),
        Index("ix_evaluations_model", "model_id"),
    )


class DecisionRow(Base):
    """What was decided about a model, by whom and on which figures. Rows are never changed."""

    __tablename__ = "decisions"

    decision_id: Mapped[str] = mapped_column(identifier(32), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    """promoted, refused, rolled_back, kept."""
    model_id: Mapped[str | None] = mapped_column(identifier(64))
    before_id: Mapped[str | None] = mapped_column(identifier(64))
    evaluation_id: Mapped[str | None] = mapped_column(identifier(32))
    run_id: Mapped[str | None] = mapped_column(identifier(32))
    by: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)
    decided_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_decisions_stream_decided", "stream", "decided_ms"),)


class QualityRow(Base):
    """The verdict over one window of the archive, one synthetic dataset, or one check of drift."""

    __tablename__ = "quality_results"

    result_id: Mapped[str] = mapped_column(identifier(32), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(String(20))
    """archive, gate, dataset or drift."""
    subject_id: Mapped[str] = mapped_column(identifier(64))
    """The dataset's or the model's id, where there is one; else empty."""
    start_ms: Mapped[int | None] = mapped_column(BigInteger)
    end_ms: Mapped[int | None] = mapped_column(BigInteger)
    verdict: Mapped[str] = mapped_column(String(10))
    """passed, failed or error."""
    evaluated: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    run_id: Mapped[str | None] = mapped_column(identifier(32))
    page: Mapped[str] = mapped_column(Text)
    """The report's path below the folder of reports; empty where none was written."""
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index("ix_quality_stream_created", "stream", "created_ms"),
        Index("ix_quality_stream_subject_created", "stream", "subject", "created_ms"),
        Index("ix_quality_created", "created_ms"),
    )


class LineageRow(Base):
    """One edge: the child came from the parent."""

    __tablename__ = "lineage"

    parent_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    parent_id: Mapped[str] = mapped_column(String(160), primary_key=True)
    child_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    child_id: Mapped[str] = mapped_column(String(160), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    made_ms: Mapped[int] = mapped_column(BigInteger)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (Index("ix_lineage_child", "child_kind", "child_id"), Index("ix_lineage_stream", "stream"))


class WithdrawalRow(Base):
    """Something that must not be used any more, and what it was withdrawn for."""

    __tablename__ = "withdrawals"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    id: Mapped[str] = mapped_column(String(160), primary_key=True)
    stream: Mapped[str] = mapped_column(String(100))
    because_kind: Mapped[str] = mapped_column(String(20))
    because_id: Mapped[str] = mapped_column(String(160))
    """What a person withdrew; the same as kind and id where it was this itself."""
    reason: Mapped[str] = mapped_column(Text)
    start_ms: Mapped[int | None] = mapped_column(BigInteger)
    end_ms: Mapped[int | None] = mapped_column(BigInteger)
    """Of a withdrawn window of the archive: start ≤ time < end."""
    withdrawn_ms: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_withdrawals_stream", "stream", "kind"),)
