"""The scheduled service: jobs, leases, alerts, feedback, evaluations, quality, lineage, canaries."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

IDENTIFIERS = {
    "models": ["model_id"],
    "champions": ["model_id"],
    "generators": ["generator_id"],
    "datasets": ["dataset_id", "generator_id"],
    "generation_requests": ["request_id", "generator_id", "parent_id", "dataset_id"],
}
"""Columns of the tables before that are looked up by the beginning of an id."""


def upgrade() -> None:
    """Make the tables."""
    if op.get_context().dialect.name == "postgresql":
        for table, columns in IDENTIFIERS.items():
            for column in columns:
                op.execute(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE VARCHAR(64) COLLATE "C"')
    _create_jobs()
    _create_models()
    _create_quality()
    _create_alerts()
    _create_lineage()


def _identifier(length: int) -> sa.String:
    """Ordered by code point in every database."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _create_jobs() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(400), nullable=False),
        sa.Column("expires_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "job_states",
        sa.Column("stream", sa.String(100), primary_key=True),
        sa.Column("job", sa.String(100), primary_key=True),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("paused_by", sa.String(200), nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.Column("last_fire_ms", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "job_runs",
        sa.Column("run_id", _identifier(32), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("job", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("fire_ms", sa.BigInteger, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("origin", sa.String(200), nullable=False),
        sa.Column("arguments", sa.JSON, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("not_before_ms", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=True),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=True),
        sa.Column("started_ms", sa.BigInteger, nullable=True),
        sa.Column("ended_ms", sa.BigInteger, nullable=True),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("doing", sa.String(400), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("last_lines", sa.Text, nullable=False),
        sa.Column("result", sa.JSON, nullable=False),
        sa.UniqueConstraint("stream", "job", "fire_ms", name="uq_job_runs_fire"),
    )
    op.create_index("ix_job_runs_fire", "job_runs", ["fire_ms"])
    op.create_index("ix_job_runs_job_status_fire", "job_runs", ["stream", "job", "status", "fire_ms"])
    op.create_index("ix_job_runs_status_fire", "job_runs", ["status", "fire_ms"])
    op.create_index("ix_job_runs_stream_status_fire", "job_runs", ["stream", "status", "fire_ms"])
    op.create_index("ix_job_runs_stream_fire", "job_runs", ["stream", "fire_ms"])


def _create_models() -> None:
    op.create_table(
        "schema_versions",
        sa.Column("stream", sa.String(100), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("columns", sa.JSON, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "evaluations",
        sa.Column("evaluation_id", _identifier(32), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("model_id", _identifier(64), sa.ForeignKey("models.model_id"), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
    )
    op.create_index("ix_evaluations_model", "evaluations", ["model_id"])
    op.create_index("ix_evaluations_stream_created", "evaluations", ["stream", "created_ms"])
    op.create_table(
        "decisions",
        sa.Column("decision_id", _identifier(32), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("model_id", _identifier(64), nullable=True),
        sa.Column("before_id", _identifier(64), nullable=True),
        sa.Column("evaluation_id", _identifier(32), nullable=True),
        sa.Column("run_id", _identifier(32), nullable=True),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_decisions_stream_decided", "decisions", ["stream", "decided_ms"])


def _create_quality() -> None:
    op.create_table(
        "quality_results",
        sa.Column("result_id", _identifier(32), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(20), nullable=False),
        sa.Column("subject_id", _identifier(64), nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=True),
        sa.Column("end_ms", sa.BigInteger, nullable=True),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("evaluated", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("run_id", _identifier(32), nullable=True),
        sa.Column("page", sa.Text, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
    )
    op.create_index("ix_quality_stream_created", "quality_results", ["stream", "created_ms"])
    op.create_index("ix_quality_stream_subject_created", "quality_results", ["stream", "subject", "created_ms"])
    op.create_index("ix_quality_created", "quality_results", ["created_ms"])
    op.create_table(
        "canaries",
        sa.Column("stream", sa.String(100), primary_key=True),
        sa.Column("model_id", _identifier(64), primary_key=True),
        sa.Column("family", sa.String(100), primary_key=True),
        sa.Column("hour_ms", sa.BigInteger, primary_key=True),
        sa.Column("injected", sa.Integer, nullable=False),
        sa.Column("caught", sa.Integer, nullable=False),
    )
    op.create_index("ix_canaries_stream_hour", "canaries", ["stream", "hour_ms"])


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("alert_id", _identifier(64), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("severity", sa.String(20), nullable=False),
        sa.Column("cause", sa.String(20), nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("published_ms", sa.BigInteger, nullable=False),
        sa.Column("model_id", _identifier(64), nullable=False),
        sa.Column("shadow", sa.Boolean, nullable=False),
        sa.Column("document", sa.JSON, nullable=False),
    )
    op.create_index("ix_alerts_stream_model_started", "alerts", ["stream", "model_id", "started_ms"])
    op.create_index("ix_alerts_published", "alerts", ["published_ms"])
    op.create_index("ix_alerts_stream_cause_published", "alerts", ["stream", "cause", "published_ms"])
    op.create_index("ix_alerts_stream_published", "alerts", ["stream", "published_ms"])
    op.create_index("ix_alerts_stream_started", "alerts", ["stream", "started_ms"])
    op.create_table(
        "consumer_offsets",
        sa.Column("consumer", sa.String(200), primary_key=True),
        sa.Column("topic", sa.String(255), primary_key=True),
        sa.Column("topic_id", sa.String(64), primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Integer, primary_key=True),
        sa.Column("alert_id", _identifier(64), nullable=False),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("verdict", sa.String(20), nullable=False),
        sa.Column("user", sa.String(200), nullable=False),
        sa.Column("score", sa.Float, nullable=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("given_ms", sa.BigInteger, nullable=False),
        sa.Column("alert", sa.JSON, nullable=False),
    )
    op.create_index("ix_feedback_alert", "feedback", ["alert_id", "feedback_id"])
    op.create_index("ix_feedback_stream", "feedback", ["stream", "feedback_id"])


def _create_lineage() -> None:
    op.create_table(
        "lineage",
        sa.Column("parent_kind", sa.String(20), primary_key=True),
        sa.Column("parent_id", sa.String(160), primary_key=True),
        sa.Column("child_kind", sa.String(20), primary_key=True),
        sa.Column("child_id", sa.String(160), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("made_ms", sa.BigInteger, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    op.create_index("ix_lineage_child", "lineage", ["child_kind", "child_id"])
    op.create_index("ix_lineage_stream", "lineage", ["stream"])
    op.create_table(
        "withdrawals",
        sa.Column("kind", sa.String(20), primary_key=True),
        sa.Column("id", sa.String(160), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("because_kind", sa.String(20), nullable=False),
        sa.Column("because_id", sa.String(160), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=True),
        sa.Column("end_ms", sa.BigInteger, nullable=True),
        sa.Column("withdrawn_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_withdrawals_stream", "withdrawals", ["stream", "kind"])


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "withdrawals",
        "lineage",
        "feedback",
        "consumer_offsets",
        "alerts",
        "canaries",
        "quality_results",
        "decisions",
        "evaluations",
        "schema_versions",
        "job_runs",
        "job_states",
        "leases",
    ):
        op.drop_table(table)
