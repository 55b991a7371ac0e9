"""Streams, models, champions, workers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "streams",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("spec", sa.JSON, nullable=False),
    )
    op.create_table(
        "models",
        sa.Column("model_id", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("detector", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("threshold_nats", sa.Float, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    op.create_index("ix_models_stream_created", "models", ["stream", "created_ms"])
    op.create_table(
        "champions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("model_id", sa.String(64), sa.ForeignKey("models.model_id"), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_champions_stream_id", "champions", ["stream", "id"])
    _create_workers()


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("worker_id", sa.String(400), primary_key=True),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("slot", sa.Integer, nullable=False),
        sa.Column("started_ms", sa.BigInteger, nullable=False),
        sa.Column("seen_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("workers", "champions", "models", "streams"):
        op.drop_table(table)
