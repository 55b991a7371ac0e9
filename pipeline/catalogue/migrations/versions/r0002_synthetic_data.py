"""Synthetic data: generators, requests to them, datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "generators",
        sa.Column("generator_id", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("source", sa.JSON, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
    )
    op.create_index("ix_generators_stream_created", "generators", ["stream", "created_ms"])
    _create_datasets()
    _create_requests()


def _create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("dataset_id", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("generator_id", sa.String(64), sa.ForeignKey("generators.generator_id"), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("verdict", sa.JSON, nullable=False),
    )
    op.create_index("ix_datasets_stream_created", "datasets", ["stream", "created_ms"])
    op.create_index("ix_datasets_generator", "datasets", ["generator_id"])


def _create_requests() -> None:
    op.create_table(
        "generation_requests",
        sa.Column("request_id", sa.String(64), primary_key=True),
        sa.Column("stream", sa.String(100), nullable=False),
        sa.Column("generator_id", sa.String(64), sa.ForeignKey("generators.generator_id"), nullable=False),
        sa.Column("parent_id", sa.String(64), sa.ForeignKey("generation_requests.request_id"), nullable=True),
        sa.Column("dataset_id", sa.String(64), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("asked_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger, nullable=True),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    for name, columns in (
        ("stream_asked", ["stream", "asked_ms"]),
        ("dataset_asked", ["dataset_id", "asked_ms"]),
        ("parent", ["parent_id"]),
        ("generator", ["generator_id"]),
    ):
        op.create_index(f"ix_generation_requests_{name}", "generation_requests", columns)


def downgrade() -> None:
    """Drop the tables."""
    for table in ("generation_requests", "datasets", "generators"):
        op.drop_table(table)
